/* SPDX-License-Identifier: Apache-2.0 */
/* Unmap requests that remove something else than they ask for. */
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <linux/vfio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY 0x1000000ull
#define WORD 0x5eed0009u

/*
 * Eight pages requested, three of them mapped: type1v2 removes those, which is no mistake by
 * itself.
 */
void unmap_holes(void)
{
	struct container c = container_with("c1", &edu);
	char *ram = ram_new(8 * PAGE);

	dma_map(&c, ram, MEMORY, 2 * PAGE);
	dma_map(&c, ram + 4 * PAGE, MEMORY + 4 * PAGE, PAGE);
	dma_unmap(&c, MEMORY, 8 * PAGE);
	settle();
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
	ram_free(ram, 8 * PAGE);
}

/*
 * The first type1: a request that ends within a mapping removes all of it, one that begins within
 * removes nothing.
 */
void unmap_more(void)
{
	struct container c = container_open("c1");

	group_attach(&edu, &c);
	if (set_iommu_type(&c, VFIO_TYPE1_IOMMU))
		give_up("VFIO_SET_IOMMU", EINVAL);
	device_open(&edu);

	struct engine e = edu_start(&c);
	uint32_t *ram = ram_new(4 * PAGE);

	ram[3 * PAGE / 4] = WORD;
	dma_map(&c, ram, MEMORY, 4 * PAGE);
	edu_reads(&e, MEMORY + 3 * PAGE, WORD, "device reads the last page of a mapping");
	dma_unmap(&c, MEMORY, PAGE);
	edu_reads(&e, MEMORY + 3 * PAGE, WORD,
		  "device reads the last page, whose unmapping nobody requested");
	settle();
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
	ram_free(ram, 4 * PAGE);
}

/*
 * A child unmaps its own mapping and its parent's: up to 5.19 the kernel stops at the latter
 * without an error.
 */
static void other_unmaps(int has_own)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);
	uint32_t *ram = ram_new(PAGE);
	int status;

	ram[4] = WORD;
	dma_map(&c, ram, MEMORY + PAGE, PAGE);

	pid_t child = fork();

	if (child == 0) {
		if (has_own) {
			dma_map(&c, ram_new(PAGE), MEMORY, PAGE);
			dma_unmap(&c, MEMORY, 2 * PAGE);
		} else {
			dma_unmap(&c, MEMORY + PAGE, PAGE);
		}
		_exit(0);
	}
	oracle("spawn", "\"child\":%d,\"role\":\"other\",\"t_after\":%lu", child, boot_ns());
	waitpid(child, &status, 0);
	oracle("exited", "\"child\":%d,\"status\":%d", child, status);
	edu_reads(&e, MEMORY + PAGE + 16, WORD,
		  "device reads memory that another process unmapped");
	settle();
	dma_unmap(&c, MEMORY + PAGE, PAGE);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
	ram_free(ram, PAGE);
}

void unmap_other(void)
{
	other_unmaps(0);
}

void unmap_other_part(void)
{
	other_unmaps(1);
}
