/* Which driver has a device. */
#ifndef LAB_DEVICES_H
#define LAB_DEVICES_H

#include "vfio.h"

const char *driver_of(struct device *d);	/* "" when it has none */
void driver_unbind(struct device *d);
void driver_bind(struct device *d, const char *driver);

#endif
