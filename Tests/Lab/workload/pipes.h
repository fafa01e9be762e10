/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that wait for each other. */
#ifndef LAB_PIPES_H
#define LAB_PIPES_H

/* Writes one byte into a pipe, and waits for one; both give up when the other process is gone. */
void notify(int fd);
void await(int fd);

#endif
