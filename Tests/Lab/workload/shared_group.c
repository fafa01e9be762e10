/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several functions behind one conventional bridge: one IOMMU group, and one window in which a
 * rescan assigns their BARs anew.
 */
#include "devices.h"
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BOCHS_DISPLAY 0x12341111
#define PCI_SERIAL 0x1b360002
#define WINDOW 0x800000ull
#define SIZE 0x400000ull /* BAR 0 of a display: RAM */
#define BEFORE 0x5eed000au
#define AFTER 0x5eed000bu

/*
 * A display with vfio-pci, and the serial port without the driver that the kernel gave it at boot.
 */
static void take(struct device *display, struct device *serial)
{
	if (driver_of(serial)[0])
		driver_unbind(serial);
	driver_bind(display, "vfio-pci");
}

/* edu's container maps BAR 0 of a display, which then leaves VFIO. */
static void leave_mapping(struct engine *e, struct device *display)
{
	group_attach(display, e->container);
	device_open(display);
	volatile uint32_t *bar = bar_new(display, 0, 0, SIZE);

	bar[4] = BEFORE;
	dma_map(e->container, (void *)bar, WINDOW, SIZE);
	edu_reads(e, WINDOW + 16, BEFORE, "peer-to-peer while both devices are open");
	bar_free((void *)bar, SIZE);
	device_release(display);
	group_close(display);
	driver_unbind(display);
}

static void finish(struct container *c, struct engine *e)
{
	dma_unmap(c, WINDOW, SIZE);
	edu_stop(e);
	device_release(&edu);
	group_close(&edu);
	container_close(c);
}

/* A word of a display's RAM as a CPU reads it, without a driver. */
static void put(struct device *display, uint32_t word)
{
	device_enable(display);
	volatile uint32_t *bar = sysfs_bar_new(display, 0, SIZE);

	bar[4] = word;
	bar_free((void *)bar, SIZE);
}

/*
 * The three displays, and a mapping of the second one's BAR, which has left VFIO; where that BAR
 * lies.
 */
static uint64_t begin(struct device display[3], struct container *c, struct engine *e)
{
	struct device serial;

	devices_by_id(BOCHS_DISPLAY, "display", display, 3);
	devices_by_id(PCI_SERIAL, "serial", &serial, 1);
	take(&display[1], &serial);
	*c = container_with("c1", &edu);
	*e = edu_start(c);
	leave_mapping(e, &display[1]);
	return bar_address(&display[1], 0, "before");
}

/*
 * Ejects the first of three displays, removes the others and rescans: both move down by one place,
 * so the third is where the second was.
 */
void bar_moved(void)
{
	struct device display[3];
	struct container c;
	struct engine e;
	uint64_t mapped = begin(display, &c, &e);

	bar_address(&display[2], 0, "before");
	device_eject(&display[0]);
	device_remove(&display[1]);
	device_remove(&display[2]);
	bus_rescan();
	uint64_t moved = bar_address(&display[1], 0, "after");
	uint64_t other = bar_address(&display[2], 0, "after");

	if (other != mapped || moved == mapped)
		give_up("the rescan moved no BAR", EINVAL);
	settle();
	put(&display[2], AFTER);
	edu_reads(&e, WINDOW + 16, AFTER,
		  "device read another device's memory by a mapping that was not made for it");
	finish(&c, &e);
}

/* Removed and found again at the same place: the mapping leads to the same memory. */
void rescan_in_place(void)
{
	struct device display[3];
	struct container c;
	struct engine e;
	uint64_t mapped = begin(display, &c, &e);

	device_remove(&display[1]);
	bus_rescan();
	if (bar_address(&display[1], 0, "after") != mapped)
		give_up("the rescan moved a BAR", EINVAL);
	settle();
	put(&display[1], AFTER);
	edu_reads(&e, WINDOW + 16, AFTER, "the mapping leads to the same memory after a rescan");
	finish(&c, &e);
}

/* SET_CONTAINER where the kernel may refuse it. */
static int try_attach(struct device *d, struct container *c)
{
	char path[32];
	uint64_t before = boot_ns();

	snprintf(path, sizeof(path), "/dev/vfio/%d", d->group);
	d->group_fd = open(path, O_RDWR | O_CLOEXEC);
	oracle_call("group-open", before, d->group_fd < 0 ? -errno : 0,
		    "\"group\":%d,\"device\":\"%s\",\"tries\":1", d->group, d->bdf);
	if (d->group_fd < 0)
		give_up(path, errno);
	before = boot_ns();
	int result = ioctl(d->group_fd, VFIO_GROUP_SET_CONTAINER, &c->fd) ? -errno : 0;

	oracle_call("set-container", before, result, "\"group\":%d,\"container\":\"%s\"", d->group,
		    c->name);
	return result;
}

/*
 * One function of the group is in use. Before that the group is attached with a host driver in it,
 * where the kernel allows that.
 */
void split_group(void)
{
	struct device display[3], serial;
	struct container c;

	devices_by_id(BOCHS_DISPLAY, "display", display, 3);
	devices_by_id(PCI_SERIAL, "serial", &serial, 1);
	driver_bind(&display[0], "vfio-pci");
	if (!driver_of(&serial)[0])
		driver_bind(&serial, "serial");
	c = container_open("c1");
	if (!try_attach(&display[0], &c)) {
		set_iommu(&c);
		settle();
		oracle("refused", "\"device\":\"%s\",\"ret\":%d", display[0].bdf,
		       ioctl(display[0].group_fd, VFIO_GROUP_GET_DEVICE_FD, display[0].bdf) < 0
			       ? -errno
			       : 0);
	}
	group_close(&display[0]);
	driver_unbind(&serial);

	group_attach(&display[0], &c);
	set_iommu(&c);
	device_open(&display[0]);
	settle();
	device_release(&display[0]);
	group_close(&display[0]);
	container_close(&c);
}
