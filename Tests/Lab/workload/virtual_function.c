/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SR-IOV: a virtual function is switched on and off by its physical function, and its COMMAND
 * register does not control its memory.
 */
#include "devices.h"
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WINDOW 0x200000ull
/* CSTS, which is not 0 even in a controller that is not enabled */
#define STATUS 0x1c

static struct device pf = { .name = "nvme", .fd = -1, .group_fd = -1 };

static void physical_function_find(void)
{
	glob_t found;

	if (glob("/sys/bus/pci/devices/*/sriov_totalvfs", 0, NULL, &found) || found.gl_pathc != 1)
		give_up("one device with SR-IOV", ENODEV);
	snprintf(pf.bdf, sizeof(pf.bdf), "%.15s", basename(dirname(found.gl_pathv[0])));
	globfree(&found);
}

static void set_count(const char *count)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/sriov_numvfs", pf.bdf);
	file = fopen(path, "w");
	if (!file || fputs(count, file) < 0 || fclose(file))
		give_up(path, errno);
}

/* Records its BARs as sysfs has them: the header of a timeline comes too early for them. */
static void tell_bars(struct device *d)
{
	char path[96], bars[256] = "";
	unsigned long long first, last, flags;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", d->bdf);
	file = fopen(path, "r");
	for (int bar = 0;
	     file && bar < BARS && fscanf(file, "%llx %llx %llx", &first, &last, &flags) == 3;
	     bar++)
		if (flags & 0x200)
			snprintf(bars + strlen(bars), sizeof(bars) - strlen(bars),
				 "%s{\"bar\":%d,\"address\":\"0x%llx\",\"size\":%llu}",
				 *bars ? "," : "", bar, first, last - first + 1);
	if (file)
		fclose(file);
	oracle("bars", "\"device\":\"%s\",\"bars\":[%s]", d->bdf, bars);
}

void virtual_function_on(struct device *d)
{
	char path[96], target[256];
	ssize_t length;

	physical_function_find();
	driver_bind(&pf, "pci-pf-stub");
	set_count("1");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/virtfn0", pf.bdf);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		give_up(path, errno);
	target[length] = 0;
	snprintf(d->bdf, sizeof(d->bdf), "%.15s", basename(target));
	device_describe(d);
	tell_bars(d);
	driver_bind(d, "vfio-pci");
}

void virtual_function_off(struct device *d)
{
	uint64_t before = boot_ns();

	set_count("0");
	oracle_call("vf-off", before, 0, "\"device\":\"%s\"", d->bdf);
	driver_unbind(&pf);
}

/* A mapping of its BAR outlives its last user, and then the function itself. */
void virtual_function(void)
{
	struct device vf = { .name = "vf", .fd = -1, .group_fd = -1 };
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	virtual_function_on(&vf);
	struct container other = container_with("c2", &vf);
	volatile uint32_t *bar = bar_new(&vf, 0, 0, PAGE);
	uint32_t status = bar[STATUS / 4];

	oracle("word", "\"value\":\"0x%x\",\"t_after\":%lu", status, boot_ns());
	dma_map(&c, (void *)bar, WINDOW, PAGE);
	edu_reads(&e, WINDOW + STATUS, status, "peer-to-peer with a virtual function");
	memory_decode(&vf, 0);
	settle();
	/*
	 * As the kernel and the specification have it. QEMU 7.2 does switch it off, so DMA is no
	 * witness here.
	 */
	cpu_read("a virtual function whose COMMAND has memory off", bar);
	memory_decode(&vf, 1);
	bar_free((void *)bar, PAGE);
	device_release(&vf);
	settle();
	edu_reads(&e, WINDOW + STATUS, status, "device read the old mapping after release");
	group_close(&vf);
	container_close(&other);
	virtual_function_off(&vf);
	settle();
	edu_reads(&e, WINDOW + STATUS, status, "device reads where the virtual function was");
	dma_unmap(&c, WINDOW, PAGE);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}
