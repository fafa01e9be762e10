/*
 * Which driver has a device, which devices there are, and where their BARs lie: what the host does
 * through sysfs.
 */
#ifndef LAB_DEVICES_H
#define LAB_DEVICES_H

#include "vfio.h"

const char *driver_of(struct device *d); /* "" when it has none */
void driver_unbind(struct device *d);
void driver_bind(struct device *d, const char *driver);

/* What its power management capability says in sysfs, 0 (D0) to 3 (D3hot), open or not. */
unsigned power_state(struct device *d);

/* The group of a device whose address is known, and the oracle's line about it. */
void device_describe(struct device *d);

/*
 * The one virtual function of the lab's nvme card: switched on and given to vfio-pci, which fills
 * in `d`; and off, which takes it off the bus.
 */
void virtual_function_on(struct device *d);
void virtual_function_off(struct device *d);

/*
 * Fills `found` with the devices of one PCI id, by address, each said in the oracle as `name` and
 * its number; gives up unless there are `count`.
 */
void devices_by_id(unsigned id, const char *name, struct device *found, unsigned count);

/* The physical address of a BAR as sysfs has it, said in the oracle; 0 when the device is gone. */
uint64_t bar_address(struct device *d, unsigned bar, const char *when);

void device_remove(struct device *d); /* from the bus, by its file in sysfs */
void device_eject(struct device *d);  /* out of its slot, for good */
void device_enable(struct device *d); /* memory decode on, without a driver */
void bus_rescan(void);

#endif
