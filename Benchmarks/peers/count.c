/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick of the consumer: libbpf's ring_buffer with a callback that only counts. `count
 * PRODUCER.o ROUNDS` prints nanoseconds of CPU time for a record.
 */
#include "producer.h"
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long records;

static int count(void *context, void *data, size_t size)
{
	records++;
	return 0;
}

int main(int argc, char **argv)
{
	struct producer producer;
	struct ring_buffer *ring;
	unsigned long spent = 0;

	if (argc != 3 || producer_open(&producer, argv[1]))
		return 2;
	ring = ring_buffer__new(producer.ring, count, 0, 0);
	if (!ring)
		return 2;
	for (int round = 0; round < atoi(argv[2]); round++) {
		unsigned long began;

		producer_fill(&producer);
		began = cpu_time();
		ring_buffer__consume(ring);
		spent += cpu_time() - began;
	}
	printf("{\"records\": %lu, \"ns\": %.3f}\n", records, (double)spent / records);
	return 0;
}
