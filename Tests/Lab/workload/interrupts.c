/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine that does not remap interrupts: VFIO refuses a group until the administrator allows
 * unsafe interrupts.
 */
#include "oracle.h"
#include "scenarios.h"
#include "vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PARAMETER "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"

static void allow(const char *text)
{
	uint64_t before = boot_ns();
	int fd = open(PARAMETER, O_WRONLY);
	int result = fd >= 0 && write(fd, text, 1) == 1 ? 0 : -errno;

	if (fd >= 0)
		close(fd);
	oracle_call("allow-unsafe", before, result, "\"value\":\"%s\"", text);
	if (result)
		give_up(PARAMETER, -result);
}

/* Whether the kernel remaps interrupts, which the names of interrupt controllers show. */
static void remapping(void)
{
	char line[512];
	int remapped = 0, plain = 0;
	FILE *file = fopen("/proc/interrupts", "r");

	while (file && fgets(line, sizeof(line), file)) {
		remapped |= strstr(line, "IR-IO-APIC") != NULL;
		plain |= strstr(line, " IO-APIC") != NULL;
	}
	if (file)
		fclose(file);
	oracle("remapping", "\"remapped\":%s,\"plain\":%s", remapped ? "true" : "false",
	       plain ? "true" : "false");
}

void unsafe_interrupts(void)
{
	remapping();
	allow("N");
	struct container c = container_open("c1");

	group_attach(&edu, &c);
	oracle("refused", "\"ret\":%d", set_iommu(&c));
	allow("Y");
	set_iommu(&c);
	device_open(&edu);
	settle();
	device_release(&edu);
	allow("N");
	group_close(&edu);
	container_close(&c);
}
