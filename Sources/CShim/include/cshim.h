/* The C that Swift cannot say: a variadic log callback, clocks, a flag set by signals. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/*
 * Starts collecting what libbpf says, warnings and worse, in place of printing it. Not thread-safe.
 */
void vs_libbpf_start_log(void);
/* What was said since, at most 64 KiB; valid until the next start. */
const char *vs_libbpf_last_log(void);

/*
 * Nanoseconds: since boot, suspend included; since 1970; of CPU time, that the calling thread has
 * used.
 */
int64_t vs_boot_time(void);
int64_t vs_unix_time(void);
int64_t vs_thread_time(void);

/* An event of a kprobe or kretprobe, for a BPF program: its descriptor, or -1 with errno. */
int vs_open_kprobe(uint32_t type, uint64_t address, bool returns);

/*
 * After this, SIGINT and SIGTERM only set a flag; SIGPIPE is ignored. A second SIGINT ends the
 * process at once.
 */
void vs_catch_signals(void);
/* The signal that came, or 0. */
int vs_caught_signal(void);
/* How many times SIGUSR1 came: each asks for a snapshot. */
int vs_snapshot_requests(void);

/*
 * Waits for the wake-ups of a BPF ring, by edge: what it says is that the BPF side woke, not that
 * there is something to read.
 */
int vs_watch(int ring);
/* Up to so many milliseconds, or until a signal. */
void vs_wait(int watch, int milliseconds);

/* Positions and headers of a BPF ring, which the kernel writes on other CPUs. */
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
