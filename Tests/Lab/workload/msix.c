/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stale mapping that reaches a table of MSI-X vectors: whoever writes there chooses where a
 * device's interrupts go.
 */
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#define WINDOW 0x200000ull
#define CAP_MSIX 0x11
#define VECTOR_DATA 8 /* of an entry of the table */
#define FORGED 0x5eed000cu

void msix_stale(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	group_attach(&e1000e, &c);
	device_open(&e1000e);

	unsigned cap = find_capability(&e1000e, CAP_MSIX);
	uint32_t table = config_read(&e1000e, cap + 4, 4),
		 vectors = (config_read(&e1000e, cap + 2, 2) & 0x7ff) + 1;
	unsigned index = table & 7, offset = table & ~7u;
	uint64_t size = e1000e.bar[index].size;

	oracle("msix", "\"device\":\"%s\",\"bar\":%u,\"offset\":%u,\"size\":%u,\"region\":%lu",
	       e1000e.bdf, index, offset, vectors * 16, size);
	void *bar = bar_new(&e1000e, index, 0, size);

	dma_map(&c, bar, WINDOW, size);
	bar_free(bar, size);
	device_release(&e1000e);
	settle();
	edu_poke(&e, WINDOW + offset + VECTOR_DATA, FORGED);
	edu_reads(&e, WINDOW + offset + VECTOR_DATA, FORGED,
		  "device changed the MSI-X table through the old mapping");
	dma_unmap(&c, WINDOW, size);
	group_close(&e1000e);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}
