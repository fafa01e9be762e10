/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapped memory and type1's two ioctls. Remembers what lies at which address, so that the oracle
 * knows what a mapping covers without asking the kernel.
 */
#define _GNU_SOURCE
#include "vfio.h"
#include "oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SPANS 64

/* One stretch of the address space; a later entry hides an earlier one. */
static struct span {
	uintptr_t start, size;
	struct device *device; /* NULL: RAM */
	unsigned bar;
	uint64_t offset;
} spans[SPANS];
static int span_count;

static void remember(void *address, size_t size, struct device *device, unsigned bar,
		     uint64_t offset)
{
	if (span_count == SPANS)
		give_up("too many spans", ENOSPC);
	spans[span_count++] = (struct span){ (uintptr_t)address, size, device, bar, offset };
}

static void forget(void *address, size_t size)
{
	uintptr_t start = (uintptr_t)address;
	int kept = 0;

	for (int i = 0; i < span_count; i++)
		if (spans[i].start < start || spans[i].start >= start + size)
			spans[kept++] = spans[i];
	span_count = kept;
}

static struct span *span_of(uintptr_t address)
{
	for (int i = span_count - 1; i >= 0; i--)
		if (address >= spans[i].start && address - spans[i].start < spans[i].size)
			return &spans[i];
	return NULL;
}

void *ram_new(size_t size)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (address == MAP_FAILED)
		give_up("mmap RAM", errno);
	remember(address, size, NULL, 0, 0);
	return address;
}

void *shared_new(int fd, size_t size)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_POPULATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (address == MAP_FAILED)
		give_up("mmap shared memory", errno);
	remember(address, size, NULL, 0, 0);
	return address;
}

void ram_free(void *address, size_t size)
{
	munmap(address, size);
	forget(address, size);
}

void *bar_at(void *wanted, struct device *d, unsigned bar, uint64_t offset, size_t size)
{
	uint64_t before = boot_ns();
	void *address =
		mmap(wanted, size, PROT_READ | PROT_WRITE, MAP_SHARED | (wanted ? MAP_FIXED : 0),
		     d->fd, d->bar[bar].offset + offset);

	oracle_call("mmap-bar", before, address == MAP_FAILED ? -errno : 0,
		    "\"device\":\"%s\",\"bar\":%u,\"bar_offset\":%lu,\"size\":%zu", d->bdf, bar,
		    offset, size);
	if (address == MAP_FAILED)
		give_up("mmap BAR", errno);
	remember(address, size, d, bar, offset);
	return address;
}

void *bar_new(struct device *d, unsigned bar, uint64_t offset, size_t size)
{
	return bar_at(NULL, d, bar, offset, size);
}

void *sysfs_bar_new(struct device *d, unsigned bar, size_t size)
{
	char path[64];
	uint64_t before = boot_ns();

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u", d->bdf, bar);

	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *address =
		fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	oracle_call("mmap-sysfs", before, address == MAP_FAILED ? -errno : 0,
		    "\"device\":\"%s\",\"bar\":%u,\"size\":%zu", d->bdf, bar, size);
	if (address == MAP_FAILED)
		give_up(path, errno);
	close(fd);
	remember(address, size, d, bar, 0);
	return address;
}

void bar_free(void *address, size_t size)
{
	struct span *span = span_of((uintptr_t)address);
	uint64_t before = boot_ns();
	int result = munmap(address, size);

	oracle_call("munmap-bar", before, result ? -errno : 0, "\"device\":\"%s\",\"size\":%zu",
		    span ? span->device->bdf : "", size);
	forget(address, size);
}

/* ,"ram":bytes,"targets":[…] of a range; neighbouring pages of one BAR are one target. */
static void describe(char *text, size_t room, uintptr_t start, uint64_t size)
{
	uint64_t ram = 0, target_size = 0;
	struct span *target = NULL;
	uint64_t target_offset = 0, target_at = 0;
	char list[1024] = "";
	int length = 0;

	for (uint64_t at = 0; at <= size; at += PAGE) {
		struct span *here = at < size ? span_of(start + at) : NULL;
		struct span *device_here = here && here->device ? here : NULL;

		if (here && !here->device)
			ram += PAGE;
		if (target && device_here == target) {
			target_size += PAGE;
			continue;
		}
		if (target)
			length += snprintf(
				list + length, sizeof(list) - length,
				"%s{\"device\":\"%s\",\"bar\":%u,\"bar_offset\":%lu,\"offset\":%lu,\"size\":%lu}",
				length ? "," : "", target->device->bdf, target->bar, target_offset,
				target_at, target_size);
		target = device_here;
		if (target) {
			target_offset = target->offset + (start + at - target->start);
			target_at = at;
			target_size = PAGE;
		}
	}
	snprintf(text, room, ",\"ram\":%lu,\"targets\":[%s]", ram, list);
}

int dma_map_quietly(struct container *c, void *address, uint64_t iova, uint64_t size,
		    uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)address,
		.iova = iova,
		.size = size,
	};

	return ioctl(c->fd, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int64_t dma_unmap_quietly(struct container *c, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .flags = flags, .iova = iova, .size = size
	};

	return ioctl(c->fd, VFIO_IOMMU_UNMAP_DMA, &unmap) ? -errno : (int64_t)unmap.size;
}

int dma_map_flags(struct container *c, void *address, uint64_t iova, uint64_t size, uint32_t flags)
{
	char content[1100] = "";
	uint64_t before = boot_ns();
	int result = dma_map_quietly(c, address, iova, size, flags);

	if (result == 0)
		describe(content, sizeof(content), (uintptr_t)address, size);
	oracle_call("map", before, result,
		    "\"container\":\"%s\",\"iova\":\"0x%lx\",\"size\":%lu,\"flags\":%u%s", c->name,
		    iova, size, flags, content);
	return result;
}

int dma_map(struct container *c, void *address, uint64_t iova, uint64_t size)
{
	return dma_map_flags(c, address, iova, size,
			     VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
}

int64_t dma_unmap_flags(struct container *c, uint64_t iova, uint64_t size, uint32_t flags)
{
	uint64_t before = boot_ns();
	int64_t result = dma_unmap_quietly(c, iova, size, flags);

	oracle_call(
		"unmap", before, result < 0 ? result : 0,
		"\"container\":\"%s\",\"iova\":\"0x%lx\",\"size\":%lu,\"flags\":%u,\"unmapped\":%ld",
		c->name, iova, size, flags, result < 0 ? 0 : result);
	return result;
}

int64_t dma_unmap(struct container *c, uint64_t iova, uint64_t size)
{
	return dma_unmap_flags(c, iova, size, 0);
}
