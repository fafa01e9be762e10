/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that stop themselves (SIGSTOP) where a step of guest/commands starts the tool; the step
 * resumes them (SIGCONT).
 */
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <linux/vfio.h>
#include <signal.h>

#define WINDOW 0x200000ull
#define SIZE 0x200000ull
#define BASE 0x1000000ull
#define BEFORE 0x5eed0001u
#define LIMIT 65535 /* vfio_iommu_type1's dma_entry_limit */

static void stop_here(const char *where)
{
	oracle("stopped", "\"where\":\"%s\",\"t_after\":%lu", where, boot_ns());
	raise(SIGSTOP);
}

/* Everything is set up before the tool starts, which sees only the release of the device. */
void late_stale(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);
	struct container other = container_with("c2", &ivshmem);
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	bar[4] = BEFORE;
	dma_map(&c, (void *)bar, WINDOW, SIZE);
	stop_here("mapped");
	bar_free((void *)bar, SIZE);
	device_release(&ivshmem);
	settle();
	edu_reads(&e, WINDOW + 16, BEFORE, "device read the old mapping after release");
	group_close(&ivshmem);
	container_close(&other);
	settle();
	dma_unmap(&c, WINDOW, SIZE);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/* As many mappings as one container takes. */
void held_full(void)
{
	struct container c = container_with("c1", &edu);
	char *ram = ram_new(16 * PAGE);
	int failed = 0;
	uint64_t before;
	int64_t unmapped;

	stop_here("ready");
	before = boot_ns();
	for (int i = 0; i < LIMIT; i++)
		failed += dma_map_quietly(&c, ram + i % 16 * PAGE, BASE + i * PAGE, PAGE,
					  VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE) != 0;
	oracle_call(
		"map-many", before, 0,
		"\"container\":\"c1\",\"iova\":\"0x%llx\",\"stride\":%llu,\"size\":%llu,\"count\":%d,\"failed\":%d",
		BASE, PAGE, PAGE, LIMIT, failed);
	oracle("dma-available", "\"container\":\"c1\",\"available\":%ld", dma_available(c.fd));
	stop_here("full");
	before = boot_ns();
	unmapped = dma_unmap_quietly(&c, BASE, LIMIT * PAGE, 0);
	oracle_call("unmap-many", before, 0, "\"container\":\"c1\",\"count\":1,\"unmapped\":%ld",
		    unmapped);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
	ram_free(ram, 16 * PAGE);
}
