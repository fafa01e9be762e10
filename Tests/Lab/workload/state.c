/* SPDX-License-Identifier: Apache-2.0 */
/* A mapped device whose memory is off, in reset or asleep. */
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define WINDOW 0x200000ull
#define SIZE 0x200000ull
#define WORD 0x5eed0003u
#define E1000E_WINDOW 0x800000ull
#define E1000E_SIZE 0x20000ull
#define CAP_PM 0x01

static void finish(struct container *c, struct engine *e, struct device *d)
{
	device_release(d);
	group_close(d);
	edu_stop(e);
	device_release(&edu);
	group_close(&edu);
	container_close(c);
}

/* Memory decode cleared and set by the user through VFIO's config region. */
void memory_off_on(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	group_attach(&ivshmem, &c);
	device_open(&ivshmem);
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	bar[4] = WORD;
	dma_map(&c, (void *)bar, WINDOW, SIZE);
	cpu_read("memory on", bar + 4);
	memory_decode(&ivshmem, 0);
	cpu_read("memory off", bar + 4);
	edu_reads(&e, WINDOW + 16, WORD,
		  "device reads the mapping while the target's memory is off");
	settle();
	memory_decode(&ivshmem, 1);
	cpu_read("memory on again", bar + 4);
	edu_reads(&e, WINDOW + 16, WORD, "device reads the mapping after memory is on again");
	settle();
	dma_unmap(&c, WINDOW, SIZE);
	bar_free((void *)bar, SIZE);
	finish(&c, &e, &ivshmem);
}

static void device_reset(struct device *d)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	ioctl(d->fd, VFIO_DEVICE_GET_INFO, &info);
	uint64_t before = boot_ns();
	int result = ioctl(d->fd, VFIO_DEVICE_RESET) ? -errno : 0;

	oracle_call("reset", before, result, "\"device\":\"%s\",\"how\":\"device\",\"offered\":%s",
		    d->bdf, info.flags & VFIO_DEVICE_FLAGS_RESET ? "true" : "false");
}

static void hot_reset(struct device *d)
{
	struct {
		struct vfio_pci_hot_reset_info head;
		struct vfio_pci_dependent_device devices[8];
	} info = { .head.argsz = sizeof(info) };
	struct {
		struct vfio_pci_hot_reset head;
		int32_t group;
	} request = { .head = { .argsz = sizeof(request), .count = 1 }, .group = d->group_fd };
	int answer = ioctl(d->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info) ? -errno : 0;
	uint64_t before = boot_ns();
	int result = ioctl(d->fd, VFIO_DEVICE_PCI_HOT_RESET, &request) ? -errno : 0;

	oracle_call("reset", before, result,
		    "\"device\":\"%s\",\"how\":\"hot\",\"offered\":%s,\"affected\":%u", d->bdf,
		    answer ? "false" : "true", info.head.count);
}

/* How the kernel would reset the device, where sysfs shows that (5.15 and later). */
static void reset_methods(struct device *d)
{
	char path[96], text[64] = "unknown";
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method", d->bdf);
	FILE *file = fopen(path, "r");

	if (file) {
		if (!fgets(text, sizeof(text), file))
			strcpy(text, "none");
		text[strcspn(text, "\n")] = 0;
		fclose(file);
	}
	oracle("reset-method", "\"device\":\"%s\",\"methods\":\"%s\"", d->bdf, text);
}

/* Every kind of reset of a mapped device; the mappings stay and work again. */
void reset(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	group_attach(&ivshmem, &c);
	device_open(&ivshmem);
	group_attach(&e1000e, &c);
	device_open(&e1000e);
	reset_methods(&edu);
	reset_methods(&ivshmem);
	reset_methods(&e1000e);
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);
	volatile uint32_t *nic = bar_new(&e1000e, E1000E_BAR, 0, E1000E_SIZE);

	bar[4] = WORD;
	dma_map(&c, (void *)bar, WINDOW, SIZE);
	dma_map(&c, (void *)nic, E1000E_WINDOW, E1000E_SIZE);
	device_reset(&ivshmem);
	edu_reads(&e, WINDOW + 16, WORD, "the mapping works after VFIO_DEVICE_RESET");
	hot_reset(&ivshmem);
	edu_reads(&e, WINDOW + 16, WORD, "the mapping works after VFIO_DEVICE_PCI_HOT_RESET");
	device_reset(&e1000e);
	hot_reset(&e1000e);
	cpu_read("after the resets", bar + 4);
	settle();
	dma_unmap(&c, WINDOW, SIZE);
	dma_unmap(&c, E1000E_WINDOW, E1000E_SIZE);
	bar_free((void *)nic, E1000E_SIZE);
	bar_free((void *)bar, SIZE);
	device_release(&e1000e);
	group_close(&e1000e);
	finish(&c, &e, &ivshmem);
}

static void set_power_state(struct device *d, unsigned pm, unsigned state)
{
	uint32_t control = config_read(d, pm + 4, 2);
	uint64_t before = boot_ns();
	int result = config_write(d, pm + 4, 2, (control & ~3u) | state);

	oracle_call("power", before, result, "\"device\":\"%s\",\"state\":%u,\"now\":%u", d->bdf,
		    state, config_read(d, pm + 4, 2) & 3);
}

/* D3hot and back through the power management capability. */
void power(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	group_attach(&e1000e, &c);
	device_open(&e1000e);
	volatile uint32_t *nic = bar_new(&e1000e, E1000E_BAR, 0, E1000E_SIZE);
	unsigned pm = find_capability(&e1000e, CAP_PM);

	dma_map(&c, (void *)nic, E1000E_WINDOW, E1000E_SIZE);
	cpu_read("D0", nic);
	set_power_state(&e1000e, pm, 3);
	cpu_read("D3hot", nic);
	settle();
	set_power_state(&e1000e, pm, 0);
	cpu_read("D0 again", nic);
	settle();
	dma_unmap(&c, E1000E_WINDOW, E1000E_SIZE);
	bar_free((void *)nic, E1000E_SIZE);
	finish(&c, &e, &e1000e);
}
