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

void oracle(const char *op, const char *fields, ...)
{
	char line[2048];
	int length = snprintf(line, sizeof(line), "{\"op\":\"%s\",\"pid\":%d,", op, getpid());
	va_list arguments;

	va_start(arguments, fields);
	length += vsnprintf(line + length, sizeof(line) - length - 2, fields, arguments);
	va_end(arguments);
	line[length++] = '}';
	line[length++] = '\n';
	if (write(output, line, length) != length)
		_exit(1);
}

void give_up(const char *what, int error)
{
	oracle("gave-up", "\"step\":\"%s\",\"ret\":%d,\"error\":\"%s\"", what, -error, strerror(error));
	fprintf(stderr, "workload: %s: %s\n", what, strerror(error));
	exit(1);
}

void settle(void)
{
	struct timespec pause = { .tv_sec = 1, .tv_nsec = 300000000 };

	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
}
