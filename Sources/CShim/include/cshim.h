/* The C that Swift cannot say: a variadic log callback, clocks, a flag set by signals. */
#pragma once
#include <stdint.h>

/* Starts collecting what libbpf says, warnings and worse, in place of printing it. Not thread-safe. */
void vs_libbpf_start_log(void);
/* What was said since, at most 64 KiB; valid until the next start. */
const char *vs_libbpf_last_log(void);

/* Nanoseconds: since boot, suspend included; since 1970. */
int64_t vs_boot_time(void);
int64_t vs_unix_time(void);

/* After this, SIGINT and SIGTERM only set a flag; SIGPIPE is ignored. A second SIGINT ends the process at once. */
void vs_catch_signals(void);
/* The signal that came, or 0. */
int vs_caught_signal(void);
/* How many times SIGUSR1 came: each asks for a snapshot. */
int vs_snapshot_requests(void);
