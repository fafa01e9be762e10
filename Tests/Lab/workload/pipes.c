/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that wait for each other through pipes. */
#include "pipes.h"
#include "oracle.h"

#include <errno.h>
#include <unistd.h>

void notify(int fd)
{
	if (write(fd, "x", 1) != 1)
		give_up("write to pipe", errno);
}

void await(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		give_up("the other process is gone", EPIPE);
}
