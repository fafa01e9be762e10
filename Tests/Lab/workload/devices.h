/* SPDX-License-Identifier: Apache-2.0 */
/* What the host does through sysfs: binding drivers, removing and finding devices, moving BARs. */
#ifndef LAB_DEVICES_H
#define LAB_DEVICES_H

#include "vfio.h"

const char *driver_of(struct device *d); /* "" when it has none */
void driver_unbind(struct device *d);
void driver_bind(struct device *d, const char *driver);

/* The state in its power management capability, read through sysfs: 0 (D0) to 3 (D3hot). */
unsigned power_state(struct device *d);

/* Finds the group of a device whose address is known, and records the device in the oracle. */
void device_describe(struct device *d);

/*
 * The one virtual function of the lab's nvme card. On: it is bound to vfio-pci, and `d` is filled
 * in. Off: it leaves the bus.
 */
void virtual_function_on(struct device *d);
void virtual_function_off(struct device *d);

/*
 * Fills `found` with the devices of one PCI id, by address, and records each in the oracle as
 * `name` and its number. Gives up unless there are `count`.
 */
void devices_by_id(unsigned id, const char *name, struct device *found, unsigned count);

/*
 * The physical address of a BAR in sysfs, also recorded in the oracle; 0 when the device is gone.
 */
uint64_t bar_address(struct device *d, unsigned bar, const char *when);

void device_remove(struct device *d); /* from the bus, by its file in sysfs */
void device_eject(struct device *d);  /* out of its slot, for good */
void device_enable(struct device *d); /* memory decode on, without a driver */
void bus_rescan(void);

#endif
