/* SPDX-License-Identifier: Apache-2.0 */
/* Maps and unmaps of every shape, those that fail included. */
#define _GNU_SOURCE
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_WRITE (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define BASE 0x2000000ull
#define WORD 0x5eed0005u

static struct container both_devices(void)
{
	struct container c = container_with("c1", &edu);

	group_attach(&ivshmem, &c);
	device_open(&ivshmem);
	return c;
}

static void close_both(struct container *c)
{
	device_release(&ivshmem);
	group_close(&ivshmem);
	device_release(&edu);
	group_close(&edu);
	container_close(c);
}

/*
 * Windows at odd offsets of one BAR, and one mapping in which RAM and BAR pages lie side by side.
 */
void partial_windows(void)
{
	struct container c = both_devices();
	struct engine e = edu_start(&c);
	volatile uint32_t *one = bar_new(&ivshmem, IVSHMEM_BAR, 3 * PAGE, PAGE);
	void *three = bar_new(&ivshmem, IVSHMEM_BAR, 17 * PAGE, 3 * PAGE);
	void *many = bar_new(&ivshmem, IVSHMEM_BAR, 33 * PAGE, 31 * PAGE);
	void *registers = bar_new(&edu, 0, 0x7f * PAGE, PAGE);

	one[4] = WORD;
	dma_map(&c, (void *)one, BASE, PAGE);
	dma_map(&c, three, BASE + 0x13000, 3 * PAGE);
	dma_map(&c, many, BASE + 0x21000, 31 * PAGE);
	dma_map(&c, registers, BASE + 0x80000, PAGE);
	edu_reads(&e, BASE + 16, WORD, "a window at page 3 of the BAR");

	char *mixed = ram_new(16 * PAGE);
	volatile uint32_t *middle =
		bar_at(mixed + 4 * PAGE, &ivshmem, IVSHMEM_BAR, 100 * PAGE, 8 * PAGE);

	middle[4] = WORD;
	*(uint32_t *)(mixed + 16) = WORD + 1;
	dma_map(&c, mixed, BASE + 0x101000, 16 * PAGE);
	edu_reads(&e, BASE + 0x101000 + 16, WORD + 1, "RAM in a mixed mapping");
	edu_reads(&e, BASE + 0x101000 + 4 * PAGE + 16, WORD, "the BAR in a mixed mapping");
	settle();
	dma_unmap(&c, BASE + 0x101000, 16 * PAGE);
	dma_unmap(&c, BASE + 0x80000, PAGE);
	dma_unmap(&c, BASE + 0x21000, 31 * PAGE);
	dma_unmap(&c, BASE + 0x13000, 3 * PAGE);
	dma_unmap(&c, BASE, PAGE);
	bar_free((void *)middle, 8 * PAGE);
	ram_free(mixed, 16 * PAGE);
	bar_free(registers, PAGE);
	bar_free(many, 31 * PAGE);
	bar_free(three, 3 * PAGE);
	bar_free((void *)one, PAGE);
	edu_stop(&e);
	close_both(&c);
}

/*
 * A process without CAP_IPC_LOCK and with little RLIMIT_MEMLOCK, in a container that it inherited.
 */
static void map_over_memlock(struct container *c)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct rlimit limit = { 16 * PAGE, 16 * PAGE };
		void *ram = ram_new(256 * PAGE);

		if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(65534) || setuid(65534))
			give_up("drop privileges", errno);
		if (dma_map(c, ram, BASE + 0x2000000, 256 * PAGE) == 0)
			dma_unmap(c, BASE + 0x2000000, 256 * PAGE);
		_exit(0);
	}
	oracle("spawn", "\"child\":%d,\"role\":\"unprivileged\",\"t_after\":%lu", child, boot_ns());
	waitpid(child, &status, 0);
}

static void set_entry_limit(const char *value)
{
	const char *path = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
	FILE *file = fopen(path, "w");

	if (!file || fputs(value, file) < 0 || fclose(file))
		give_up(path, errno);
}

void failing_maps(void)
{
	set_entry_limit("8"); /* read when the container gets its IOMMU */
	struct container c = both_devices();

	set_entry_limit("65535");
	char *ram = ram_new(64 * PAGE);
	void *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, 16 * PAGE);
	void *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *gone = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(gone, PAGE);
	dma_map(&c, ram, BASE, 16 * PAGE);
	dma_map(&c, ram, BASE, 16 * PAGE); /* -EEXIST */
	/* -EEXIST: overlaps */
	dma_map(&c, ram, BASE + 8 * PAGE, 16 * PAGE);
	/* -EINVAL: alignment of the IOVA */
	dma_map(&c, ram, BASE + 0x100100, PAGE);
	/* -EINVAL: of the address */
	dma_map(&c, ram + 16, BASE + 0x100000, PAGE);
	/* -EINVAL: no size */
	dma_map(&c, ram, BASE + 0x100000, 0);
	/* -EINVAL: neither read nor write */
	dma_map_flags(&c, ram, BASE + 0x100000, PAGE, 0);
	/* -EINVAL: wraps around */
	dma_map(&c, ram, 0xfffffffffffff000ull, 2 * PAGE);
	/* -EINVAL: the MSI window */
	dma_map(&c, ram, 0xfee00000ull, PAGE);
	/* -EFAULT: no access */
	dma_map(&c, hole, BASE + 0x100000, PAGE);
	/* -EFAULT: nothing there */
	dma_map(&c, gone, BASE + 0x100000, PAGE);
	munmap(hole, PAGE);

	/*
	 * Only the first half has memory behind it: the kernel must undo that part of the mapping.
	 */
	char *torn = ram_new(64 * PAGE);

	munmap(torn + 32 * PAGE, 32 * PAGE);
	dma_map(&c, torn, BASE + 0x200000, 64 * PAGE); /* -EFAULT */
	ram_free(torn, 64 * PAGE);

	memory_decode(&ivshmem, 0);
	/* -EFAULT: the BAR is off */
	dma_map(&c, bar, BASE + 0x300000, 16 * PAGE);
	memory_decode(&ivshmem, 1);
	dma_map(&c, bar, BASE + 0x300000, 16 * PAGE);
	map_over_memlock(&c); /* -ENOMEM */

	/* Eight entries at most, two are taken: the seventh more gets -ENOSPC. */
	for (int i = 0; i < 7; i++)
		dma_map(&c, ram, BASE + 0x400000 + i * PAGE, PAGE);
	for (int i = 0; i < 6; i++)
		dma_unmap(&c, BASE + 0x400000 + i * PAGE, PAGE);
	dma_unmap(&c, BASE + 0x300000, 16 * PAGE);
	dma_unmap(&c, BASE, 16 * PAGE);
	bar_free(bar, 16 * PAGE);
	ram_free(ram, 64 * PAGE);
	close_both(&c);
}

static void map_some(struct container *c, char *ram, void *bar)
{
	for (int i = 0; i < 4; i++)
		dma_map(c, ram + i * 16 * PAGE, BASE + i * 0x100000, 16 * PAGE);
	dma_map(c, bar, BASE + 0x800000, 16 * PAGE);
}

void unmap_all(void)
{
	struct container c = both_devices();
	char *ram = ram_new(64 * PAGE);
	void *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, 16 * PAGE);

	oracle("extension", "\"name\":\"VFIO_UNMAP_ALL\",\"ret\":%d",
	       ioctl(c.fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL));
	map_some(&c, ram, bar);
	dma_unmap(&c, BASE + 0x8000000, 16 * PAGE); /* hits nothing */
	/* inside a mapping: v2 refuses */
	dma_unmap(&c, BASE + PAGE, PAGE);
	/* two mappings and the gaps */
	dma_unmap(&c, BASE + 0x100000, 0x200000);
	if (dma_unmap_flags(&c, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL) < 0)
		/* where there is no such flag */
		dma_unmap(&c, 0, 0x40000000);
	/* every IOVA is free again */
	map_some(&c, ram, bar);
	dma_unmap(&c, 0, 0x40000000);
	settle();
	bar_free(bar, 16 * PAGE);
	ram_free(ram, 64 * PAGE);
	close_both(&c);
}

/* More events than a small ring holds: 20,000 maps, then their unmaps. */
void storm(void)
{
	struct container c = container_with("c1", &edu);
	char *ram = ram_new(16 * PAGE);
	const int count = 20000;
	int failed = 0;
	uint64_t before = boot_ns(), bytes = 0;

	for (int i = 0; i < count; i++)
		failed += dma_map_quietly(&c, ram + i % 16 * PAGE, BASE + i * PAGE, PAGE,
					  READ_WRITE) != 0;
	oracle_call(
		"map-many", before, 0,
		"\"container\":\"c1\",\"iova\":\"0x%llx\",\"stride\":%llu,\"size\":%llu,\"count\":%d,\"failed\":%d",
		BASE, PAGE, PAGE, count, failed);

	before = boot_ns();
	for (int i = 0; i < count; i++) {
		int64_t result = dma_unmap_quietly(&c, BASE + i * PAGE, PAGE, 0);

		bytes += result > 0 ? result : 0;
	}
	oracle_call("unmap-many", before, 0, "\"container\":\"c1\",\"count\":%d,\"unmapped\":%lu",
		    count, bytes);
	settle();
	ram_free(ram, 16 * PAGE);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/* More mappings than a snapshot walks in one step, and behind them one of a closed device. */
void held_many(void)
{
	struct container c = both_devices();
	char *ram = ram_new(16 * PAGE);
	void *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, 16 * PAGE);
	const int count = 500;
	int failed = 0;
	uint64_t before = boot_ns();

	for (int i = 0; i < count; i++)
		failed += dma_map_quietly(&c, ram + i % 16 * PAGE, BASE + 2 * i * PAGE, PAGE,
					  READ_WRITE) != 0;
	oracle_call(
		"map-many", before, 0,
		"\"container\":\"c1\",\"iova\":\"0x%llx\",\"stride\":%llu,\"size\":%llu,\"count\":%d,\"failed\":%d",
		BASE, 2 * PAGE, PAGE, count, failed);
	dma_map(&c, bar, BASE + 0x800000, 16 * PAGE);
	bar_free(bar, 16 * PAGE);
	device_release(&ivshmem);
	settle();
	group_close(&ivshmem);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
	ram_free(ram, 16 * PAGE);
}
