/* SPDX-License-Identifier: Apache-2.0 */
/* Counts the BPF objects in the kernel by their ids: programs, maps and links. */
#include "scenarios.h"

#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned count(int command)
{
	union bpf_attr attributes;
	unsigned id = 0, found = 0;

	for (;;) {
		memset(&attributes, 0, sizeof(attributes));
		attributes.start_id = id;
		if (syscall(SYS_bpf, command, &attributes, sizeof(attributes)))
			return found;
		id = attributes.next_id;
		found++;
	}
}

void bpf_objects(void)
{
	printf("programs %u\nmaps %u\nlinks %u\n", count(BPF_PROG_GET_NEXT_ID),
	       count(BPF_MAP_GET_NEXT_ID), count(BPF_LINK_GET_NEXT_ID));
}
