/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle: what the kernel returned, as NDJSON. Each step is one line, written in one write(2)
 * so that processes can share the file.
 */
#ifndef LAB_ORACLE_H
#define LAB_ORACLE_H

#include <stddef.h>
#include <stdint.h>

/* Opens $ORACLE (or standard output) for appending; children inherit it. */
void oracle_open(void);

/* CLOCK_BOOTTIME in nanoseconds: the clock of the timeline. */
uint64_t boot_ns(void);

/*
 * One line: {"op":OP,"pid":…,FIELDS}. `fields` is a printf format of JSON members; strings are the
 * caller's to quote.
 */
void oracle(const char *op, const char *fields, ...) __attribute__((format(printf, 2, 3)));

/*
 * The same for a system call that began at `begun` and has just returned: adds "ret" (0 or -errno),
 * "t_before", "t_after".
 */
void oracle_call(const char *op, uint64_t begun, long result, const char *fields, ...)
	__attribute__((format(printf, 4, 5)));

/* A whole line that the caller has made, its line feed included; one write(2), however long. */
void oracle_text(const char *text, size_t length);

/* Ends a scenario that cannot go on: records why in the oracle and exits with status 1. */
void give_up(const char *what, int error) __attribute__((noreturn));

/* Sleeps long enough for a finding with a 500 ms debounce to open (or for one not to). */
void settle(void);

#endif
