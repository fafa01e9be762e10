/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload NAME: runs one scenario, or helper, against the lab's devices and records in the oracle
 * what the kernel answered.
 */
#include "oracle.h"
#include "scenarios.h"
#include "vfio.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
#define SCENARIO(name, function) { name, function },
#include "scenarios.list"
#undef SCENARIO
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (argc < 2)
			puts(scenarios[i].name);
		else if (!strcmp(argv[1], scenarios[i].name)) {
			oracle_open();
			devices_find();
			scenarios[i].run();
			oracle("end", "\"scenario\":\"%s\",\"t_after\":%lu", argv[1], boot_ns());
			return 0;
		}
	}
	if (argc > 1)
		fprintf(stderr, "workload: no scenario %s\n", argv[1]);
	return argc < 2 ? 0 : 2;
}
