/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's devices, found by PCI id, and their drivers through sysfs. */
#include "devices.h"
#include "oracle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct device edu = { .name = "edu", .fd = -1, .group_fd = -1 };
struct device ivshmem = { .name = "ivshmem", .fd = -1, .group_fd = -1 };
struct device testdev = { .name = "testdev", .fd = -1, .group_fd = -1 };
struct device e1000e = { .name = "e1000e", .fd = -1, .group_fd = -1 };

static const struct {
	unsigned id;
	struct device *device;
} known[] = {
	{ 0x123411e8, &edu },
	{ 0x1af41110, &ivshmem },
	{ 0x1b360005, &testdev },
	{ 0x808610d3, &e1000e },
};

static unsigned read_number(const char *bdf, const char *name)
{
	char path[96], text[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	file = fopen(path, "r");
	if (!file || !fgets(text, sizeof(text), file))
		give_up(path, errno);
	fclose(file);
	return strtoul(text, NULL, 16);
}

static int link_number(const char *bdf, const char *name)
{
	char path[96], target[256];
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return -1;
	target[length] = 0;
	return atoi(basename(target));
}

void device_describe(struct device *d)
{
	d->group = link_number(d->bdf, "iommu_group");
	oracle("device", "\"device\":\"%s\",\"name\":\"%s\",\"group\":%d", d->bdf, d->name,
	       d->group);
}

void devices_find(void)
{
	DIR *directory = opendir("/sys/bus/pci/devices");
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		unsigned id = read_number(entry->d_name, "vendor") << 16 |
			      read_number(entry->d_name, "device");

		for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (known[i].id == id) {
				struct device *d = known[i].device;

				snprintf(d->bdf, sizeof(d->bdf), "%.15s", entry->d_name);
				device_describe(d);
			}
	}
	if (directory)
		closedir(directory);
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!known[i].device->bdf[0])
			give_up(known[i].device->name, ENODEV);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t result = fd < 0 ? -1 : write(fd, text, strlen(text));
	int error = result < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return -error;
}

const char *driver_of(struct device *d)
{
	static char target[256];
	char path[96];
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", d->bdf);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return "";
	target[length] = 0;
	return basename(target);
}

void driver_unbind(struct device *d)
{
	char path[96], driver[64];
	uint64_t before = boot_ns();
	int result;

	snprintf(driver, sizeof(driver), "%s", driver_of(d));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", d->bdf);
	result = write_file(path, d->bdf);
	oracle_call("unbind", before, result, "\"device\":\"%s\",\"driver\":\"%s\"", d->bdf,
		    driver);
}

void driver_bind(struct device *d, const char *driver)
{
	char path[96];
	uint64_t before = boot_ns();
	int result;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", d->bdf);
	write_file(path, driver);
	result = write_file("/sys/bus/pci/drivers_probe", d->bdf);
	oracle_call("bind", before, result, "\"device\":\"%s\",\"driver\":\"%s\"", d->bdf,
		    driver_of(d));
}

unsigned power_state(struct device *d)
{
	unsigned char config[256] = "";
	char path[96];
	int fd, hops = 0;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", d->bdf);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, config, sizeof(config)) != sizeof(config))
		give_up(path, errno);
	close(fd);
	for (unsigned at = config[0x34] & 0xfc; at && hops++ < 48; at = config[at + 1] & 0xfc)
		if (config[at] == 1 /* PCI_CAP_ID_PM */)
			return config[at + 4] & 3;
	return 0;
}

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct device *)a)->bdf, ((const struct device *)b)->bdf);
}

void devices_by_id(unsigned id, const char *name, struct device *found, unsigned count)
{
	DIR *directory = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	unsigned seen = 0;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.' || (read_number(entry->d_name, "vendor") << 16 |
						read_number(entry->d_name, "device")) != id)
			continue;
		if (seen < count) {
			found[seen] = (struct device){ .name = name,
						       .fd = -1,
						       .group_fd = -1,
						       .group = link_number(entry->d_name,
									    "iommu_group") };
			snprintf(found[seen].bdf, sizeof(found[seen].bdf), "%.15s", entry->d_name);
		}
		seen++;
	}
	if (directory)
		closedir(directory);
	if (seen != count)
		give_up(name, ENODEV);
	qsort(found, count, sizeof(*found), by_address);
	for (unsigned i = 0; i < count; i++)
		oracle("device", "\"device\":\"%s\",\"name\":\"%s%u\",\"group\":%d", found[i].bdf,
		       name, i + 1, found[i].group);
}

uint64_t bar_address(struct device *d, unsigned bar, const char *when)
{
	char path[96], line[128];
	unsigned long start = 0, end = 0;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", d->bdf);
	FILE *file = fopen(path, "r");

	for (unsigned i = 0; file && i <= bar && fgets(line, sizeof(line), file); i++)
		if (i == bar)
			sscanf(line, "%lx %lx", &start, &end);
	if (file)
		fclose(file);
	oracle("bar-address",
	       "\"device\":\"%s\",\"bar\":%u,\"address\":\"0x%lx\",\"last\":\"0x%lx\",\"when\":\"%s\"",
	       d->bdf, bar, start, end, when);
	return start;
}

/* Writes "1", or `text`, to a sysfs file of a device, and records that in the oracle. */
static void write_sysfs(const char *op, struct device *d, const char *path, const char *text)
{
	uint64_t before = boot_ns();
	int result = write_file(path, text);

	oracle_call(op, before, result, "\"device\":\"%s\"", d ? d->bdf : "");
	if (result)
		give_up(path, -result);
}

void device_remove(struct device *d)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", d->bdf);
	write_sysfs("remove", d, path, "1");
}

void device_enable(struct device *d)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", d->bdf);
	write_sysfs("enable", d, path, "1");
}

void bus_rescan(void)
{
	write_sysfs("rescan", NULL, "/sys/bus/pci/rescan", "1");
}

void device_eject(struct device *d)
{
	DIR *directory = opendir("/sys/bus/pci/slots");
	char path[96], address[32];
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		snprintf(path, sizeof(path), "/sys/bus/pci/slots/%.32s/address", entry->d_name);
		FILE *file = fopen(path, "r");

		if (!file)
			continue;
		int same = fgets(address, sizeof(address), file) &&
			   !strncmp(address, d->bdf, strlen("0000:00:00"));

		fclose(file);
		if (!same)
			continue;
		closedir(directory);
		snprintf(path, sizeof(path), "/sys/bus/pci/slots/%.32s/power", entry->d_name);
		write_sysfs("eject", d, path, "0");
		return;
	}
	give_up("no slot to eject from", ENODEV);
}
