/* SPDX-License-Identifier: Apache-2.0 */
/* Opens, joins and closes VFIO's objects, and records each step. */
#include "vfio.h"
#include "oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The result of a system call: 0, or -errno. */
static int answer(long result)
{
	return result < 0 ? -errno : 0;
}

struct container container_open(const char *name)
{
	struct container c = { .name = name };
	uint64_t before = boot_ns();

	c.fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	oracle_call("container-open", before, answer(c.fd), "\"container\":\"%s\"", name);
	if (c.fd < 0)
		give_up("open /dev/vfio/vfio", errno);
	return c;
}

void container_close(struct container *c)
{
	uint64_t before = boot_ns();

	oracle_call("container-close", before, answer(close(c->fd)), "\"container\":\"%s\"",
		    c->name);
	c->fd = -1;
}

int set_iommu_type(struct container *c, int type)
{
	uint64_t before = boot_ns();
	int result = answer(ioctl(c->fd, VFIO_SET_IOMMU, type));

	oracle_call("set-iommu", before, result, "\"container\":\"%s\",\"type\":%d", c->name, type);
	return result;
}

int set_iommu(struct container *c)
{
	return set_iommu_type(c, VFIO_TYPE1v2_IOMMU);
}

void group_attach(struct device *d, struct container *c)
{
	char path[32];
	uint64_t before = boot_ns();
	int result, tries = 0;

	snprintf(path, sizeof(path), "/dev/vfio/%d", d->group);
	/* A group that another process has just left, or a device just bound, may take a moment. */
	while ((d->group_fd = open(path, O_RDWR | O_CLOEXEC)) < 0 &&
	       (errno == EBUSY || errno == ENOENT) && tries++ < 100)
		usleep(20000);
	oracle_call("group-open", before, answer(d->group_fd),
		    "\"group\":%d,\"device\":\"%s\",\"tries\":%d", d->group, d->bdf, tries + 1);
	if (d->group_fd < 0)
		give_up(path, errno);

	before = boot_ns();
	result = answer(ioctl(d->group_fd, VFIO_GROUP_SET_CONTAINER, &c->fd));
	oracle_call("set-container", before, result, "\"group\":%d,\"container\":\"%s\"", d->group,
		    c->name);
	if (result)
		give_up("VFIO_GROUP_SET_CONTAINER", -result);
}

void group_close(struct device *d)
{
	uint64_t before = boot_ns();

	oracle_call("group-close", before, answer(close(d->group_fd)),
		    "\"group\":%d,\"device\":\"%s\"", d->group, d->bdf);
	d->group_fd = -1;
}

void device_open(struct device *d)
{
	uint64_t before = boot_ns();

	d->fd = ioctl(d->group_fd, VFIO_GROUP_GET_DEVICE_FD, d->bdf);
	oracle_call("device-open", before, answer(d->fd), "\"device\":\"%s\",\"name\":\"%s\"",
		    d->bdf, d->name);
	if (d->fd < 0)
		give_up("VFIO_GROUP_GET_DEVICE_FD", errno);

	for (unsigned i = 0; i <= VFIO_PCI_CONFIG_REGION_INDEX; i++) {
		struct vfio_region_info region = { .argsz = sizeof(region), .index = i };

		if (ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &region))
			continue;
		if (i == VFIO_PCI_CONFIG_REGION_INDEX)
			d->config = region.offset;
		else if (i < BARS) {
			d->bar[i].offset = region.offset;
			d->bar[i].size = region.size;
		}
	}
	config_write(d, 4, 2, config_read(d, 4, 2) | 0x6);
}

void device_close(struct device *d)
{
	uint64_t before = boot_ns();

	oracle_call("device-close", before, answer(close(d->fd)), "\"device\":\"%s\"", d->bdf);
	d->fd = -1;
}

struct container container_with(const char *name, struct device *d)
{
	struct container c = container_open(name);

	group_attach(d, &c);
	if (set_iommu(&c))
		give_up("VFIO_SET_IOMMU", errno);
	device_open(d);
	return c;
}

uint64_t release_begin(void)
{
	return boot_ns();
}

void release_end(struct device *d, uint64_t begun)
{
	oracle_call("release", begun, 0, "\"device\":\"%s\"", d->bdf);
}

void device_release(struct device *d)
{
	uint64_t begun = release_begin();

	device_close(d);
	release_end(d, begun);
}

uint32_t config_read(struct device *d, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	if (pread(d->fd, &value, size, d->config + offset) != (ssize_t)size)
		give_up("read config space", errno);
	return value;
}

int config_write(struct device *d, unsigned offset, unsigned size, uint32_t value)
{
	uint64_t before = boot_ns();
	int result = answer(pwrite(d->fd, &value, size, d->config + offset));

	oracle_call(offset == 4 ? "command-write" : "config-write", before, result,
		    "\"device\":\"%s\",\"offset\":%u,\"size\":%u,\"value\":%u", d->bdf, offset,
		    size, value);
	return result;
}

void memory_decode(struct device *d, int on)
{
	uint32_t command = config_read(d, 4, 2);

	config_write(d, 4, 2, on ? command | 2 : command & ~2u);
}

unsigned find_capability(struct device *d, unsigned id)
{
	unsigned at = config_read(d, 0x34, 1) & 0xfc;

	for (int hops = 0; at && hops < 48; hops++, at = config_read(d, at + 1, 1) & 0xfc)
		if (config_read(d, at, 1) == id)
			return at;
	return 0;
}

const struct vfio_info_cap_header *iommu_capability(int fd, unsigned id)
{
	static _Alignas(8) char buffer[4096];
	struct vfio_iommu_type1_info *info = (void *)buffer;

	memset(buffer, 0, sizeof(buffer));
	info->argsz = sizeof(buffer);
	if (ioctl(fd, VFIO_IOMMU_GET_INFO, info) || !(info->flags & VFIO_IOMMU_INFO_CAPS))
		return NULL;
	for (uint32_t at = info->cap_offset; at;) {
		const struct vfio_info_cap_header *header = (void *)(buffer + at);

		if (header->id == id)
			return header;
		at = header->next;
	}
	return NULL;
}

int64_t dma_available(int fd)
{
	const struct vfio_iommu_type1_info_dma_avail *cap =
		(void *)iommu_capability(fd, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);

	return cap ? (int64_t)cap->avail : -ENOENT;
}

static sigjmp_buf bus_error;

static void on_bus_error(int number)
{
	(void)number;
	siglongjmp(bus_error, 1);
}

void cpu_read(const char *meaning, volatile uint32_t *address)
{
	struct sigaction handler = { .sa_handler = on_bus_error }, old;

	sigaction(SIGBUS, &handler, &old);
	if (sigsetjmp(bus_error, 1))
		oracle("cpu-read", "\"result\":\"sigbus\",\"meaning\":\"%s\"", meaning);
	else {
		uint32_t value = *address;

		oracle("cpu-read", "\"result\":\"ok\",\"value\":\"0x%x\",\"meaning\":\"%s\"", value,
		       meaning);
	}
	sigaction(SIGBUS, &old, NULL);
}
