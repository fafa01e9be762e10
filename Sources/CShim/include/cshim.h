/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C that Swift cannot express or import: a variadic log callback, clocks, signal handlers, epoll,
 * and atomic access to a BPF ring's pages.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/*
 * Collects libbpf's warnings and errors from now on, instead of printing them; what was collected
 * before is dropped. Not thread-safe.
 */
void vs_libbpf_start_log(void);
/* The messages collected since the last start, at most 64 KiB; valid until the next start. */
const char *vs_libbpf_last_log(void);

/*
 * Clocks in nanoseconds: since boot, including suspend (CLOCK_BOOTTIME); since 1970
 * (CLOCK_REALTIME); CPU time used by the calling thread.
 */
int64_t vs_boot_time(void);
int64_t vs_unix_time(void);
int64_t vs_thread_time(void);

/*
 * Opens a perf event for a kprobe or kretprobe, to which a BPF program can be attached. Returns its
 * descriptor, or -1 with errno set.
 */
int vs_open_kprobe(uint32_t type, uint64_t address, bool returns);

/*
 * From now on SIGINT, SIGTERM and SIGHUP only set a flag, SIGUSR1 counts, and SIGPIPE is ignored. A
 * second SIGINT ends the process at once.
 */
void vs_catch_signals(void);
/* The last signal that set the flag, or 0. */
int vs_caught_signal(void);
/* How many times SIGUSR1 has arrived: each asks for a snapshot. */
int vs_snapshot_requests(void);

/*
 * Returns an epoll descriptor that becomes ready when the BPF side wakes the consumer of `ring`
 * (edge-triggered). It does not become ready merely because the ring holds records.
 */
int vs_watch(int ring);
/* Waits for a wake-up, up to `milliseconds`, or until a signal arrives. */
void vs_wait(int watch, int milliseconds);

/*
 * Access to a BPF ring's positions and record headers, which the kernel writes on other CPUs.
 */
static inline unsigned long vs_load_acquire(const void *at)
{
	return __atomic_load_n((const unsigned long *)at, __ATOMIC_ACQUIRE);
}
static inline uint32_t vs_load_acquire_32(const void *at)
{
	return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
}
static inline void vs_store_release(void *at, unsigned long value)
{
	__atomic_store_n((unsigned long *)at, value, __ATOMIC_RELEASE);
}
