/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user of iommufd: edu's own device node bound to it, and a page of RAM mapped. The constants are
 * those of include/uapi/linux/iommufd.h and vfio.h (6.6), which the headers of older systems lack.
 */
#include "oracle.h"
#include "scenarios.h"
#include "vfio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct bind {
	uint32_t argsz, flags;
	int32_t iommufd;
	uint32_t out_devid;
};
struct attach {
	uint32_t argsz, flags, pt_id;
};
struct ioas_alloc {
	uint32_t size, flags, out_ioas_id;
};
struct ioas_map {
	uint32_t size, flags, ioas_id, reserved;
	uint64_t user_va, length, iova;
};
#define BIND_IOMMUFD _IO(';', 100 + 18)
#define ATTACH_IOMMUFD_PT _IO(';', 100 + 19)
#define IOAS_ALLOC _IO(';', 0x81)
#define IOAS_MAP _IO(';', 0x85)
#define FIXED_READABLE_WRITEABLE 7
#define IOVA 0x1000000ull

/* /dev/vfio/devices/vfioN, by the device's directory in sysfs. */
static int open_node(struct device *d)
{
	char path[300];
	struct dirent *entry;
	DIR *directory;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", d->bdf);
	directory = opendir(path);
	while (directory && (entry = readdir(directory)))
		if (!strncmp(entry->d_name, "vfio", 4)) {
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
			closedir(directory);
			return open(path, O_RDWR | O_CLOEXEC);
		}
	give_up("edu has no device node", errno);
}

static long call(int fd, const char *op, unsigned long request, void *argument)
{
	uint64_t begun = boot_ns();
	long result = ioctl(fd, request, argument) ? -errno : 0;

	oracle_call(op, begun, result, "\"device\":\"%s\"", edu.bdf);
	if (result)
		give_up(op, -result);
	return result;
}

static void use(void)
{
	int device = open_node(&edu), iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	struct bind bind = { sizeof(bind), 0, iommufd, 0 };
	struct ioas_alloc ioas = { sizeof(ioas), 0, 0 };
	struct attach attach = { sizeof(attach), 0, 0 };
	struct ioas_map map = { .size = sizeof(map),
				.flags = FIXED_READABLE_WRITEABLE,
				.user_va = (uint64_t)ram_new(PAGE),
				.length = PAGE,
				.iova = IOVA };

	if (device < 0 || iommufd < 0)
		give_up("open", errno);
	call(device, "iommufd-bind", BIND_IOMMUFD, &bind);
	call(iommufd, "ioas-alloc", IOAS_ALLOC, &ioas);
	attach.pt_id = map.ioas_id = ioas.out_ioas_id;
	call(device, "iommufd-attach", ATTACH_IOMMUFD_PT, &attach);
	call(iommufd, "ioas-map", IOAS_MAP, &map);
}

void iommufd_once(void)
{
	use();
}

/* Everything is released when the process is continued and exits. */
void iommufd_held(void)
{
	use();
	oracle("stopped", "\"where\":\"bound\",\"t_after\":%lu", boot_ns());
	raise(SIGSTOP);
}
