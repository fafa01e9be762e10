/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neglected mappings: no device open, no descriptor of the container, their creator gone; and
 * requests that look like mistakes.
 */
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <linux/vfio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY 0x1000000ull
#define SIZE 0x10000ull
#define WINDOW 0x200000ull
#define WINDOW_SIZE 0x200000ull
#define WORD 0x5eed0007u

/* Ends with the container: the kernel removes the mapping when the last group leaves. */
static void tear_down(struct device *d, uint64_t bytes)
{
	group_close(d);
	oracle("teardown", "\"bytes\":%lu,\"t_after\":%lu", bytes, boot_ns());
}

/* The device is closed and the program runs on: its memory stays pinned and mapped to no use. */
void no_open_device(void)
{
	struct container c = container_with("c1", &edu);
	void *ram = ram_new(SIZE);

	dma_map(&c, ram, MEMORY, SIZE);
	device_release(&edu);
	settle();
	dma_unmap(&c, MEMORY, SIZE);
	group_close(&edu);
	container_close(&c);
	ram_free(ram, SIZE);
}

/*
 * The container's last descriptor is closed before its device: DMA goes on, and nobody can unmap.
 */
void no_container_fd(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	container_close(&c);
	settle();
	e.ram[64] = WORD;
	edu_reads(&e, EDU_RAM + 256, WORD,
		  "device reads RAM though no descriptor of its container is left");
	bar_free((void *)e.registers, PAGE);
	device_release(&edu);
	tear_down(&edu, PAGE);
}

/*
 * A child maps memory of its own into the container and exits: its pages stay pinned, and the
 * device reads them.
 */
void creator_gone(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);
	uint64_t begun = boot_ns();
	int status;
	pid_t child = fork();

	if (child == 0) {
		uint32_t *ram = ram_new(SIZE);

		ram[4] = WORD;
		_exit(dma_map(&c, ram, MEMORY, SIZE) != 0);
	}
	oracle("spawn", "\"child\":%d,\"role\":\"creator\",\"t_after\":%lu", child, boot_ns());
	waitpid(child, &status, 0);
	oracle_call("creator-exit", begun, 0, "\"child\":%d,\"status\":%d", child, status);
	settle();
	edu_reads(&e, MEMORY + 16, WORD, "device reads memory of a process that is gone");
	edu_stop(&e);
	device_release(&edu);
	tear_down(&edu, SIZE);
	container_close(&c);
}

/* A BAR mapped through sysfs: type1 accepts it, and VFIO does not know of it. */
void foreign_pfnmap(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);
	volatile uint32_t *bar = sysfs_bar_new(&ivshmem, IVSHMEM_BAR, WINDOW_SIZE);

	bar[4] = WORD;
	dma_map(&c, (void *)bar, WINDOW, WINDOW_SIZE);
	settle();
	edu_reads(&e, WINDOW + 16, WORD,
		  "device reads the memory of a device that nobody has opened");
	dma_unmap(&c, WINDOW, WINDOW_SIZE);
	bar_free((void *)bar, WINDOW_SIZE);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/* Requests that type1 refuses, or grants without doing anything. */
void mistakes(void)
{
	struct container c = container_with("c1", &edu);
	char *ram = ram_new(SIZE);

	dma_map(&c, ram, MEMORY, 4 * PAGE);
	dma_map_flags(&c, ram + 8 * PAGE, MEMORY + 8 * PAGE, PAGE, VFIO_DMA_MAP_FLAG_WRITE);
	dma_unmap(&c, MEMORY + 0x800000, PAGE);	   /* nothing is there */
	dma_map(&c, ram, MEMORY + 2 * PAGE, PAGE); /* EEXIST */
	/* the middle of a mapping: EINVAL */
	dma_unmap(&c, MEMORY + PAGE, PAGE);
	settle();
	dma_unmap(&c, MEMORY, 4 * PAGE);
	dma_unmap(&c, MEMORY + 8 * PAGE, PAGE);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
	ram_free(ram, SIZE);
}
