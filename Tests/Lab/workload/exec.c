/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that keeps VFIO's files open and runs another, which forgets its mappings or takes them
 * over in a live update.
 */
#define _GNU_SOURCE
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY 0x1000000ull
#define SIZE 0x10000ull
#define WORD 0x5eed000au
/* Where the next program finds them. */
enum { CONTAINER_FD = 60, GROUP_FD, DEVICE_FD, MEMORY_FD };

/* Pinned and locked pages as the process's own mm counts them. */
static void tell_locked(const char *when)
{
	char line[128];
	unsigned long locked = 0, pinned = 0;
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof(line), status)) {
		sscanf(line, "VmLck: %lu", &locked);
		sscanf(line, "VmPin: %lu", &pinned);
	}
	if (status)
		fclose(status);
	oracle("locked-memory", "\"when\":\"%s\",\"kib\":%lu,\"pinned_kib\":%lu", when, locked,
	       pinned);
}

static void keep(int from, int to)
{
	if (from != to && dup2(from, to) < 0)
		give_up("dup2", errno);
}

static void run_next(struct container *c, const char *name)
{
	char begun[32];

	keep(c->fd, CONTAINER_FD);
	keep(edu.group_fd, GROUP_FD);
	keep(edu.fd, DEVICE_FD);
	snprintf(begun, sizeof(begun), "%lu", boot_ns());
	setenv("EXEC_BEGUN", begun, 1);
	execl("/proc/self/exe", "workload", name, NULL);
	give_up("execl", errno);
}

/* In the next program: what it inherited, and when. */
static struct container inherited(void)
{
	struct container c = { .name = "c1", .fd = CONTAINER_FD };

	edu.group_fd = GROUP_FD;
	edu.fd = DEVICE_FD;
	oracle_call("exec", strtoul(getenv("EXEC_BEGUN"), NULL, 10), 0, "\"container\":\"c1\"");
	return c;
}

static void end(struct container *c)
{
	device_release(&edu);
	group_close(&edu);
	container_close(c);
}

static struct container map_private(void)
{
	struct container c = container_with("c1", &edu);
	uint32_t *ram = ram_new(SIZE);

	ram[4] = WORD;
	dma_map(&c, ram, MEMORY, SIZE);
	tell_locked("mapped");
	return c;
}

/* The memory is no longer in any address space, and the device still reads it. */
void exec_keeps(void)
{
	struct container c = map_private();

	run_next(&c, "exec-keeps-next");
}

void exec_keeps_next(void)
{
	struct container c = inherited();

	tell_locked("after exec");

	struct engine e = edu_start(&c);

	settle();
	edu_reads(&e, MEMORY + 16, WORD, "device reads memory of a program that is no more");
	dma_unmap(&c, MEMORY, SIZE);
	edu_stop(&e);
	end(&c);
}

/* The same for a tool that comes later: stops in the next program. */
void exec_kept(void)
{
	struct container c = map_private();

	run_next(&c, "exec-kept-next");
}

void exec_kept_next(void)
{
	struct container c = inherited();

	oracle("stopped", "\"where\":\"after exec\",\"t_after\":%lu", boot_ns());
	raise(SIGSTOP);
	dma_unmap(&c, MEMORY, SIZE);
	end(&c);
}

/* Mapped by a child that exits before the tool starts. */
void exit_kept(void)
{
	struct container c = container_with("c1", &edu);
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(dma_map(&c, ram_new(SIZE), MEMORY, SIZE) != 0);
	waitpid(child, &status, 0);
	oracle("stopped", "\"where\":\"after the child's exit\",\"child\":%d,\"t_after\":%lu",
	       child, boot_ns());
	raise(SIGSTOP);
	end(&c);
}

/* Kernels without VFIO_DMA_UNMAP_FLAG_VADDR: a program can only unmap. */
static int can_update(struct container *c)
{
	int can = ioctl(c->fd, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR) == 1;

	oracle("can-update", "\"name\":\"VFIO_UPDATE_VADDR\",\"there\":%s", can ? "true" : "false");
	return can;
}

/* Takes the addresses of `ram` away, and runs the next program. */
static struct container take_away(void)
{
	struct container c = container_with("c1", &edu);
	int memory = memfd_create("guest", 0);

	if (memory < 0 || ftruncate(memory, SIZE))
		give_up("memfd", errno);

	uint32_t *ram = shared_new(memory, SIZE);

	ram[4] = WORD;
	keep(memory, MEMORY_FD);
	dma_map(&c, ram, MEMORY, SIZE);
	if (!can_update(&c)) {
		dma_unmap(&c, MEMORY, SIZE);
		return c;
	}

	uint64_t before = boot_ns();
	int64_t taken = dma_unmap_quietly(&c, MEMORY, SIZE, VFIO_DMA_UNMAP_FLAG_VADDR);

	oracle_call("vaddr-take", before, taken < 0 ? taken : 0,
		    "\"iova\":\"0x%llx\",\"size\":%llu", MEMORY, SIZE);
	if (taken != (int64_t)SIZE)
		give_up("VFIO_DMA_UNMAP_FLAG_VADDR", EINVAL);
	return c;
}

void live_update(void)
{
	struct container c = take_away();

	run_next(&c, "live-update-next");
}

/*
 * Returns the same memory at its present addresses; where the kernel cannot do that, maps it anew.
 */
void live_update_next(void)
{
	struct container c = inherited();
	void *ram = shared_new(MEMORY_FD, SIZE);

	if (can_update(&c)) {
		uint64_t before = boot_ns();
		int result = dma_map_quietly(&c, ram, MEMORY, SIZE, VFIO_DMA_MAP_FLAG_VADDR);

		oracle_call("vaddr-give", before, result, "\"iova\":\"0x%llx\",\"size\":%llu",
			    MEMORY, SIZE);
		tell_locked("given back");
	} else {
		dma_map(&c, ram, MEMORY, SIZE);
	}

	struct engine e = edu_start(&c);

	settle();
	edu_reads(&e, MEMORY + 16, WORD, "device reads the memory after the update");
	dma_unmap(&c, MEMORY, SIZE);
	edu_stop(&e);
	end(&c);
}

/* Nobody returns the addresses for a long time; the device's DMA goes on. */
void live_update_forgotten(void)
{
	struct container c = take_away();
	struct engine e = edu_start(&c);

	settle();
	settle();
	if (can_update(&c)) {
		edu_reads(&e, MEMORY + 16, WORD,
			  "device reads memory that the kernel has no address for");
		dma_unmap(&c, MEMORY, SIZE);
	}
	edu_stop(&e);
	end(&c);
}
