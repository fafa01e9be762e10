/* Which driver has a device. */
#ifndef LAB_DEVICES_H
#define LAB_DEVICES_H

#include "vfio.h"

const char *driver_of(struct device *d);	/* "" when it has none */
void driver_unbind(struct device *d);
void driver_bind(struct device *d, const char *driver);

/* What its power management capability says in sysfs, 0 (D0) to 3 (D3hot), open or not. */
unsigned power_state(struct device *d);

/* The group of a device whose address is known, and the oracle's line about it. */
void device_describe(struct device *d);

/* The one virtual function of the lab's nvme card: switched on and given to vfio-pci, which fills in `d`; and off, which takes it off the bus. */
void virtual_function_on(struct device *d);
void virtual_function_off(struct device *d);

#endif
