/* libbpf for Swift, and the few C idioms that Swift cannot say: variadic logging, process-wide flags set from a signal. */
#pragma once
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* What libbpf said last, warnings and worse, for an error message that names the cause. */
static char vs_libbpf_log[65536];
static size_t vs_libbpf_log_length;

static int vs_keep_log(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t room = sizeof(vs_libbpf_log) - vs_libbpf_log_length;
	int written;

	if (level > LIBBPF_WARN || room < 2)
		return 0;
	written = vsnprintf(vs_libbpf_log + vs_libbpf_log_length, room, format, arguments);
	if (written > 0)
		vs_libbpf_log_length += (size_t)written < room ? (size_t)written : room - 1;
	return written;
}

static inline void vs_libbpf_start_log(void)
{
	vs_libbpf_log_length = 0;
	vs_libbpf_log[0] = 0;
	libbpf_set_print(vs_keep_log);
}

static inline const char *vs_libbpf_last_log(void) { return vs_libbpf_log; }

static inline int64_t vs_clock(int clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t vs_boot_time(void) { return vs_clock(CLOCK_BOOTTIME); }
static inline int64_t vs_unix_time(void) { return vs_clock(CLOCK_REALTIME); }
