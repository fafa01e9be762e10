/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the oracle's lines. */
#include "oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int output = 1;

void oracle_open(void)
{
	const char *path = getenv("ORACLE");

	if (path)
		output = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (output < 0) {
		perror(path);
		exit(1);
	}
}

uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void write_line(const char *op, const char *timing, const char *fields, va_list arguments)
{
	char line[2048];
	int length =
		snprintf(line, sizeof(line), "{\"op\":\"%s\",\"pid\":%d,%s", op, getpid(), timing);

	length += vsnprintf(line + length, sizeof(line) - length - 2, fields, arguments);
	line[length++] = '}';
	line[length++] = '\n';
	oracle_text(line, length);
}

void oracle_text(const char *text, size_t length)
{
	if (write(output, text, length) != (ssize_t)length)
		_exit(1);
}

void oracle(const char *op, const char *fields, ...)
{
	va_list arguments;

	va_start(arguments, fields);
	write_line(op, "", fields, arguments);
	va_end(arguments);
}

void oracle_call(const char *op, uint64_t begun, long result, const char *fields, ...)
{
	uint64_t ended = boot_ns();
	char timing[128];
	va_list arguments;

	snprintf(timing, sizeof(timing), "\"ret\":%ld,\"t_before\":%lu,\"t_after\":%lu,", result,
		 begun, ended);
	va_start(arguments, fields);
	write_line(op, timing, fields, arguments);
	va_end(arguments);
}

void give_up(const char *what, int error)
{
	oracle("gave-up", "\"step\":\"%s\",\"ret\":%d,\"error\":\"%s\"", what, -error,
	       strerror(error));
	fprintf(stderr, "workload: %s: %s\n", what, strerror(error));
	exit(1);
}

void settle(void)
{
	struct timespec pause = { .tv_sec = 1, .tv_nsec = 300000000 };

	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
}
