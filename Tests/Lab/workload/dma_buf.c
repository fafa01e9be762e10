/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dma-bufs of device memory (Linux 6.19 and later): exported, revoked while the device cannot
 * answer, restored, and once not restored.
 */
#include "devices.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SIZE 0x10000ull
#define TRACE "/sys/kernel/tracing/instances/lab/"

/* From a newer header than the build machine has. */
#define FEATURE_DMA_BUF 11
struct dma_buf_feature {
	struct vfio_device_feature head;
	uint32_t region, open_flags, flags, ranges;
	struct {
		uint64_t offset, length;
	} range[2];
};

struct wakeup_feature {
	struct vfio_device_feature head;
	int32_t eventfd;
	uint32_t reserved;
};

static int export(struct device *d, unsigned bar, unsigned ranges)
{
	struct dma_buf_feature f = {
		.head = { .argsz = sizeof(f) - (2 - ranges) * sizeof(f.range[0]),
			  .flags = VFIO_DEVICE_FEATURE_GET | FEATURE_DMA_BUF },
		.region = bar,
		.open_flags = O_RDWR | O_CLOEXEC,
		.ranges = ranges,
		.range = { { 0, SIZE }, { SIZE, PAGE } },
	};
	uint64_t before = boot_ns();
	int fd = ioctl(d->fd, VFIO_DEVICE_FEATURE, &f);

	oracle_call("dma-buf-export", before, fd < 0 ? -errno : 0,
		    "\"device\":\"%s\",\"bar\":%u,\"size\":%llu,\"ranges\":%u", d->bdf, bar,
		    SIZE + (ranges - 1) * PAGE, ranges);
	return fd;
}

static void release(int fd)
{
	uint64_t before = boot_ns();

	oracle_call("dma-buf-release", before, close(fd) ? -errno : 0, "\"fd\":%d", fd);
}

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND);
	int result = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return result;
}

/* A second witness: a kprobe on the function that revokes, in the trace that the guest keeps. */
static void witness_begin(void)
{
	if (write_to("/sys/kernel/tracing/kprobe_events",
		     "p:lab_move vfio_pci_core:vfio_pci_dma_buf_move revoked=%si:u8") ||
	    write_to(TRACE "events/kprobes/lab_move/enable", "1"))
		give_up("kprobe_events", errno);
}

/* Copies the kprobe's events to the oracle: the trace cannot print them once the kprobe is gone. */
static void witness_end(void)
{
	FILE *trace = fopen(TRACE "trace", "r");
	unsigned long seconds, micros;
	unsigned revoked;
	char line[512];

	while (trace && fgets(line, sizeof(line), trace)) {
		const char *what = strstr(line, ": lab_move:"), *stamp = what,
			   *value = strstr(line, "revoked=");

		while (stamp && stamp > line && stamp[-1] != ' ')
			stamp--;
		if (what && value && sscanf(stamp, "%lu.%lu", &seconds, &micros) == 2 &&
		    sscanf(value, "revoked=%u", &revoked) == 1)
			oracle("dma-buf-move", "\"revoked\":%u,\"t\":%lu", revoked,
			       (seconds * 1000000 + micros) * 1000);
	}
	if (trace)
		fclose(trace);
	write_to(TRACE "events/kprobes/lab_move/enable", "0");
	write_to("/sys/kernel/tracing/kprobe_events", "-:lab_move");
}

/*
 * The device falls asleep and is woken by another than its user: the kernel restores its memory,
 * but not its dma-bufs.
 */
static void sleep_and_be_woken(struct device *d)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct wakeup_feature f = {
		.head = { .argsz = sizeof(f),
			  .flags = VFIO_DEVICE_FEATURE_SET |
				   VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP },
		.eventfd = event,
	};
	char path[96];
	uint64_t before = boot_ns(), woken = 0;

	oracle_call("low-power-entry", before, ioctl(d->fd, VFIO_DEVICE_FEATURE, &f) ? -errno : 0,
		    "\"device\":\"%s\"", d->bdf);
	usleep(300000);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/control", d->bdf);
	before = boot_ns();
	write_to(path, "on");
	if (read(event, &woken, sizeof(woken)) < 0)
		woken = 0;
	oracle_call("woken", before, 0, "\"device\":\"%s\",\"signalled\":%lu", d->bdf, woken);
	close(event);
	settle();
	memory_decode(d, 1);
	write_to(path, "auto");
}

void dma_buf(void)
{
	struct container c = container_with("c1", &e1000e);
	struct dma_buf_feature probe = { .head = { .argsz = sizeof(probe.head),
						   .flags = VFIO_DEVICE_FEATURE_GET |
							    VFIO_DEVICE_FEATURE_PROBE |
							    FEATURE_DMA_BUF } };
	int offered = ioctl(e1000e.fd, VFIO_DEVICE_FEATURE, &probe) == 0;

	oracle("dma-buf", "\"offered\":%s,\"t_after\":%lu", offered ? "true" : "false", boot_ns());
	if (offered) {
		witness_begin();
		int fd = export(&e1000e, E1000E_BAR, 2);

		memory_decode(&e1000e, 0);
		settle();
		memory_decode(&e1000e, 1);
		release(fd);
		fd = export(&e1000e, E1000E_BAR, 1);
		sleep_and_be_woken(&e1000e);
		device_release(&e1000e);
		release(fd);
		witness_end();
	} else {
		device_release(&e1000e);
	}
	group_close(&e1000e);
	container_close(&c);
}
