/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the object of producer.bpf.c and runs it to fill the ring. Used by count.c. */
#pragma once
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct producer {
	int program;
	int ring;
};

/* Runs that fill three quarters of the ring: each takes 344 bytes and three headers of 8 bytes. */
#define PRODUCER_RUNS 34000

static inline int producer_open(struct producer *producer, const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, 0);

	if (!object || bpf_object__load(object)) {
		fprintf(stderr, "cannot load %s: run this as root\n", path);
		return -1;
	}
	producer->program = bpf_program__fd(bpf_object__find_program_by_name(object, "produce"));
	producer->ring = bpf_map__fd(bpf_object__find_map_by_name(object, "ring"));
	return 0;
}

static inline int producer_fill(const struct producer *producer)
{
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = PRODUCER_RUNS);

	return bpf_prog_test_run_opts(producer->program, &options);
}

static inline uint64_t cpu_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
