/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFIO containers, groups and devices, each step recorded in the oracle with what the kernel
 * returned.
 */
#ifndef LAB_VFIO_H
#define LAB_VFIO_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ull
#define BARS 6

struct container {
	const char *name;
	int fd;
};

struct device {
	const char *name;
	char bdf[16];
	int group;	  /* IOMMU group number */
	int group_fd, fd; /* -1 when closed */
	uint64_t config;  /* offset of config space in the device file */
	struct {
		uint64_t offset, size;
	} bar[BARS];
};

/* The four devices of the lab, by their PCI ids. */
extern struct device edu, ivshmem, testdev, e1000e;
#define IVSHMEM_BAR 2
#define TESTDEV_BAR 2
#define E1000E_BAR 0

void devices_find(void);

struct container container_open(const char *name);
void container_close(struct container *c);
int set_iommu(struct container *c);
int set_iommu_type(struct container *c, int type);

/* Group: open /dev/vfio/N and attach it. Both give up on failure. */
void group_attach(struct device *d, struct container *c);
void group_close(struct device *d);

/* VFIO_GROUP_GET_DEVICE_FD, the regions' offsets, and COMMAND with memory and bus mastering on. */
void device_open(struct device *d);
void device_close(struct device *d); /* only closes the descriptor */

/* Makes a container with one group and its device; and undoes that in the correct order. */
struct container container_with(const char *name, struct device *d);
/* close fd: the last reference, recorded as op "release" */
void device_release(struct device *d);

/* Config space. */
uint32_t config_read(struct device *d, unsigned offset, unsigned size);
int config_write(struct device *d, unsigned offset, unsigned size, uint32_t value);
void memory_decode(struct device *d, int on);
unsigned find_capability(struct device *d, unsigned id);

/* Memory. The library remembers what lies where, and writes it into the oracle's "map" lines. */
void *ram_new(size_t size);
void ram_free(void *address, size_t size);
void *shared_new(int fd, size_t size); /* MAP_SHARED; -1: anonymous */
void *bar_new(struct device *d, unsigned bar, uint64_t offset, size_t size);
void *bar_at(void *address, struct device *d, unsigned bar, uint64_t offset, size_t size);
/* by /sys/bus/pci/devices/BDF/resourceN */
void *sysfs_bar_new(struct device *d, unsigned bar, size_t size);
void bar_free(void *address, size_t size);

/* type1. dma_map returns 0 or -errno; dma_unmap the bytes unmapped or -errno. */
int dma_map(struct container *c, void *address, uint64_t iova, uint64_t size);
int dma_map_flags(struct container *c, void *address, uint64_t iova, uint64_t size, uint32_t flags);
int64_t dma_unmap(struct container *c, uint64_t iova, uint64_t size);
int64_t dma_unmap_flags(struct container *c, uint64_t iova, uint64_t size, uint32_t flags);

/*
 * A capability of VFIO_IOMMU_GET_INFO, valid until the next call, or NULL; and how many more
 * mappings the kernel takes, or -ENOENT.
 */
const struct vfio_info_cap_header *iommu_capability(int fd, unsigned id);
int64_t dma_available(int fd);

/* Same ioctls, nothing recorded: for loops that record one line in the end. */
int dma_map_quietly(struct container *c, void *address, uint64_t iova, uint64_t size,
		    uint32_t flags);
int64_t dma_unmap_quietly(struct container *c, uint64_t iova, uint64_t size, uint32_t flags);

/* Reads one 32-bit word of a BAR with the CPU: "ok" or "sigbus" in the oracle. */
void cpu_read(const char *meaning, volatile uint32_t *address);

/* The last reference of a device is dropped within these two calls. */
uint64_t release_begin(void);
void release_end(struct device *d, uint64_t begun);

#endif
