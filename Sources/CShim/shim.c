/* SPDX-License-Identifier: Apache-2.0 */
/* The implementation of cshim.h. */
#include "cshim.h"
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char libbpf_log[64 << 10];
static size_t libbpf_log_length;

static int keep_log(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t room = sizeof(libbpf_log) - libbpf_log_length;
	int written;

	if (level > LIBBPF_WARN || room < 2)
		return 0;
	written = vsnprintf(libbpf_log + libbpf_log_length, room, format, arguments);
	if (written > 0)
		libbpf_log_length += (size_t)written < room ? (size_t)written : room - 1;
	return written;
}

void vs_libbpf_start_log(void)
{
	libbpf_log_length = 0;
	libbpf_log[0] = 0;
	libbpf_set_print(keep_log);
}

const char *vs_libbpf_last_log(void)
{
	return libbpf_log;
}

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t vs_boot_time(void)
{
	return read_clock(CLOCK_BOOTTIME);
}
int64_t vs_unix_time(void)
{
	return read_clock(CLOCK_REALTIME);
}
int64_t vs_thread_time(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int vs_open_kprobe(uint32_t type, uint64_t address, bool returns)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr), .type = type, .config = returns, .kprobe_addr = address
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
}

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	/*
	 * The next SIGINT kills the process, so that a user who presses Ctrl-C twice does not wait.
	 */
	if (caught && number == SIGINT)
		signal(SIGINT, SIG_DFL);
	caught = number;
}

static volatile sig_atomic_t requests;

static void on_request(int number)
{
	(void)number;
	requests++;
}

int vs_snapshot_requests(void)
{
	return requests;
}

void vs_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal },
			 request = { .sa_handler = on_request };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, 0);
	sigaction(SIGTERM, &action, 0);
	sigaction(SIGHUP, &action, 0);
	sigemptyset(&request.sa_mask);
	sigaction(SIGUSR1, &request, 0);
	signal(SIGPIPE, SIG_IGN);
}

int vs_caught_signal(void)
{
	return caught;
}

/*
 * Edge-triggered: with poll(2), or level-triggered, the descriptor is ready as long as the ring is
 * not empty, and during a storm of records the consumer would spin.
 */
int vs_watch(int ring)
{
	struct epoll_event wanted = { .events = EPOLLIN | EPOLLET };
	int watch = epoll_create1(EPOLL_CLOEXEC);

	if (watch >= 0)
		epoll_ctl(watch, EPOLL_CTL_ADD, ring, &wanted);
	return watch;
}

void vs_wait(int watch, int milliseconds)
{
	struct epoll_event woken;

	epoll_wait(watch, &woken, 1, milliseconds);
}
