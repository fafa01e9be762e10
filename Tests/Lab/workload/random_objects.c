/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on containers, groups and devices: open, join, leave and close, in any order. */
#include "random.h"
#include "devices.h"
#include "oracle.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int serial;

static int open_container(int process)
{
	int slot = 0;

	while (slot < CONTAINERS && containers[slot].serial)
		slot++;
	if (slot == CONTAINERS)
		return -1;
	int64_t fd = call(process, (struct request){ .call = CALL_OPEN, .text = "/dev/vfio/vfio" });

	did(process, fd, "open container k%d", serial + 1);
	if (fd < 0) {
		surprise(process, fd, 0, "open container");
		return -1;
	}
	containers[slot].serial = ++serial;
	containers[slot].iommu = false;
	containers[slot].count = 0;
	handle_add(process, fd, file_new(CONTAINER_FILE, slot));
	return slot;
}

/* Opens a group that nobody has. The group's file may appear a moment after a driver was bound. */
static int open_group(int process, int device)
{
	struct request request = { .call = CALL_OPEN };
	int64_t fd;
	int tries = 0;

	snprintf(request.text, sizeof(request.text), "/dev/vfio/%d", devices[device].device->group);
	while ((fd = call(process, request)) < 0 && (fd == -ENOENT || fd == -EBUSY) &&
	       tries++ < 100)
		usleep(20000);
	did(process, fd, "open group of %s, %d tries", devices[device].device->name, tries + 1);
	if (fd < 0) {
		surprise(process, fd, 0, "open group");
		return -1;
	}
	handle_add(process, fd, file_new(GROUP_FILE, device));
	return 0;
}

bool attach_device(int process, int container, int device)
{
	struct container_state *c = &containers[container];
	int cfd = handle_of(process, CONTAINER_FILE, container);

	if (cfd < 0 || devices[device].container >= 0)
		return false;
	if (!files_of(GROUP_FILE, device) && open_group(process, device))
		return false;
	int gfd = handle_of(process, GROUP_FILE, device);

	if (gfd < 0)
		return false;
	int64_t result = call(process, (struct request){ .call = CALL_SET_CONTAINER,
							 .fd = handles[gfd].fd,
							 .other = handles[cfd].fd });

	did(process, result, "group of %s joins k%d", devices[device].device->name, c->serial);
	expect(process, result, 0, "set container");
	if (result)
		return true;
	devices[device].container = container;
	if (c->iommu)
		return true;
	c->v2 = !chance(15);
	result = call(process,
		      (struct request){ .call = CALL_SET_IOMMU,
					.fd = handles[cfd].fd,
					.flags = c->v2 ? VFIO_TYPE1v2_IOMMU : VFIO_TYPE1_IOMMU });
	did(process, result, "set iommu of k%d, v%d", c->serial, c->v2 + 1);
	expect(process, result, 0, "set iommu");
	c->iommu = result == 0;
	c->top = call(process, (struct request){ .call = CALL_TOP, .fd = handles[cfd].fd });
	return true;
}

bool open_device(int process, int device)
{
	struct device *d = devices[device].device;
	int gfd = handle_of(process, GROUP_FILE, device);
	struct request request = { .call = CALL_GET_DEVICE };
	bool first = !files_of(DEVICE_FILE, device);

	if (gfd < 0 || devices[device].container < 0 ||
	    !containers[devices[device].container].iommu || files_of(DEVICE_FILE, device) > 2)
		return false;
	request.fd = handles[gfd].fd;
	snprintf(request.text, sizeof(request.text), "%s", d->bdf);
	int64_t fd = call(process, request);

	did(process, fd, "open %s%s", d->name, first ? "" : " once more");
	if (fd < 0) {
		surprise(process, fd, 0, "get device");
		return true;
	}
	handle_add(process, fd, file_new(DEVICE_FILE, device));
	for (unsigned bar = 0; first && bar < BARS; bar++) {
		int64_t size = call(
			process, (struct request){ .call = CALL_BAR_SIZE, .fd = fd, .flags = bar });

		d->bar[bar].size = size > 0 ? size : 0;
	}
	if (first) {
		expect(process,
		       call(process, (struct request){ .call = CALL_DECODE, .fd = fd, .flags = 1 }),
		       0, "memory decode on");
		devices[device].decode = true;
	}
	return true;
}

/*
 * Makes a container with one or two free devices in one operation, so that there is something to
 * map into.
 */
bool op_build(void)
{
	int process = draw(WORKERS), wanted = 1 + draw(2), first = draw(DEVICES), container = -1;

	for (int i = 0; i < DEVICES && wanted; i++) {
		int device = (first + i) % DEVICES;

		if (files_of(GROUP_FILE, device))
			continue;
		if (container < 0 && (container = open_container(process)) < 0)
			return false;
		wanted--;
		attach_device(process, container, device);
		open_device(process, device);
	}
	return container >= 0;
}

bool op_attach(void)
{
	int first = draw(WORKERS * CONTAINERS * DEVICES);

	for (int i = 0; i < WORKERS * CONTAINERS * DEVICES; i++) {
		int at = (first + i) % (WORKERS * CONTAINERS * DEVICES);
		int device = at / (WORKERS * CONTAINERS), container = at / WORKERS % CONTAINERS,
		    process = at % WORKERS;

		if (containers[container].serial &&
		    (!files_of(GROUP_FILE, device) ||
		     handle_of(process, GROUP_FILE, device) >= 0) &&
		    attach_device(process, container, device))
			return true;
	}
	return false;
}

bool op_open_device(void)
{
	int first = draw(WORKERS * DEVICES);

	for (int i = 0; i < WORKERS * DEVICES; i++)
		if (open_device((first + i) % WORKERS, (first + i) / WORKERS % DEVICES))
			return true;
	return false;
}

static bool close_one(enum kind kind, const char *what)
{
	int first = draw(HANDLES);

	for (int i = 0; i < handle_count; i++) {
		int index = (first + i) % handle_count;
		struct handle h = handles[index];

		if (h.process >= WORKERS || files[h.file].kind != kind)
			continue;
		int64_t result =
			call(h.process, (struct request){ .call = CALL_CLOSE, .fd = h.fd });

		did(h.process, result, "close %s %d", what, files[h.file].object);
		handle_drop(index);
		settle_model();
		return true;
	}
	return false;
}

bool op_close_device(void)
{
	return close_one(DEVICE_FILE, "device");
}
bool op_close_group(void)
{
	return close_one(GROUP_FILE, "group");
}
bool op_close_container(void)
{
	return close_one(CONTAINER_FILE, "container");
}

bool op_unset_container(void)
{
	int first = draw(WORKERS * DEVICES);

	for (int i = 0; i < WORKERS * DEVICES; i++) {
		int process = (first + i) % WORKERS, device = (first + i) / WORKERS % DEVICES,
		    gfd = handle_of(process, GROUP_FILE, device);

		if (gfd < 0 || devices[device].container < 0)
			continue;
		int64_t result = call(process, (struct request){ .call = CALL_UNSET_CONTAINER,
								 .fd = handles[gfd].fd });

		did(process, result, "group of %s leaves", devices[device].device->name);
		expect(process, result, files_of(DEVICE_FILE, device) ? -EBUSY : 0,
		       "unset container");
		if (result == 0)
			devices[device].container = -1;
		settle_model();
		return true;
	}
	return false;
}

bool op_rebind(void)
{
	int first = draw(DEVICES);

	for (int i = 0; i < DEVICES; i++) {
		int device = (first + i) % DEVICES;

		if (files_of(GROUP_FILE, device))
			continue;
		did(-1, 0, "unbind and bind %s", devices[device].device->name);
		driver_unbind(devices[device].device);
		driver_bind(devices[device].device, "vfio-pci");
		return true;
	}
	return false;
}

bool op_reset(void)
{
	/* Not the e1000e: its link is up again only after seconds. */
	int process = draw(WORKERS), device = draw(DEVICES - 1),
	    index = handle_of(process, DEVICE_FILE, device);

	if (index < 0)
		return false;
	did(process, call(process, (struct request){ .call = CALL_RESET, .fd = handles[index].fd }),
	    "reset %s", devices[device].device->name);
	return true;
}

bool op_decode(void)
{
	int first = draw(WORKERS * DEVICES);

	for (int i = 0; i < WORKERS * DEVICES; i++) {
		int process = (first + i) % WORKERS, device = (first + i) / WORKERS % DEVICES,
		    index = handle_of(process, DEVICE_FILE, device);

		if (index < 0)
			continue;
		bool on = !devices[device].decode;
		int64_t result = call(process, (struct request){ .call = CALL_DECODE,
								 .fd = handles[index].fd,
								 .flags = on });

		did(process, result, "memory decode of %s %s", devices[device].device->name,
		    on ? "on" : "off");
		expect(process, result, 0, "memory decode");
		devices[device].decode = on;
		return true;
	}
	return false;
}
