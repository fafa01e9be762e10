/* SPDX-License-Identifier: Apache-2.0 */
/* A process that maps until the kernel refuses to lock more of its memory. */
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY 0x1000000ull
#define CHUNK (16 * PAGE)
#define LIMIT (16 * CHUNK)

/* What the kernel charges this process with: mm->locked_vm. */
static void locked(const char *where)
{
	uint64_t begun = boot_ns();
	unsigned long kib = 0;
	char line[256];
	FILE *status = fopen("/proc/self/status", "re");

	if (!status)
		give_up("/proc/self/status", errno);
	while (fgets(line, sizeof(line), status))
		sscanf(line, "VmLck: %lu kB", &kib);
	fclose(status);
	oracle_call("locked", begun, 0, "\"where\":\"%s\",\"bytes\":%lu,\"limit\":%llu", where,
		    kib << 10, LIMIT);
}

static void drop_ipc_lock(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct rlimit limit = { LIMIT, LIMIT };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || syscall(SYS_capget, &header, data))
		give_up("setrlimit, capget", errno);
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	data[0].permitted &= ~(1u << CAP_IPC_LOCK);
	if (syscall(SYS_capset, &header, data))
		give_up("capset", errno);
}

/*
 * Lowers the limit when the device is already open: the value that the tool read before is
 * outdated.
 */
void memlock_budget(void)
{
	struct container c = container_with("c1", &edu);
	char *ram = ram_new(2 * LIMIT);
	uint64_t size = 0;

	/*
	 * The tool reads /proc shortly after the event: let it read the value that will be
	 * outdated.
	 */
	usleep(500000);
	drop_ipc_lock();
	while (dma_map(&c, ram + size, MEMORY + size, CHUNK) == 0 && size < 2 * LIMIT - CHUNK)
		size += CHUNK;
	locked("full");
	settle();
	dma_unmap(&c, MEMORY, CHUNK);
	dma_unmap(&c, MEMORY + CHUNK, CHUNK);
	locked("relieved");
	settle();
	for (uint64_t at = 2 * CHUNK; at < size; at += CHUNK)
		dma_unmap(&c, MEMORY + at, CHUNK);
	locked("empty");
	/* A moment later, so that the graph of the one before is not that of the end. */
	usleep(300000);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
	ram_free(ram, 2 * LIMIT);
}
