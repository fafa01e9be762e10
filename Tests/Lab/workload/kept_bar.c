/* SPDX-License-Identifier: Apache-2.0 */
/* A BAR in the page table of a process, where the kernel takes it away or fails to. */
#define _GNU_SOURCE
#include "oracle.h"
#include "pipes.h"
#include "scenarios.h"
#include "vfio.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OFFSET 0x100000ull
#define SIZE 0x80000ull
#define WORD 0x5eed000bu

/* The pipes through which the two processes wait for each other. */
static int to_child[2], to_parent[2];

static pid_t fork_told(const char *role)
{
	uint64_t begun = boot_ns();
	pid_t child;

	if (pipe(to_child) || pipe(to_parent) || (child = fork()) < 0)
		give_up("fork", errno);
	if (child)
		oracle_call(
			"fork", begun, 0,
			"\"child\":%d,\"role\":\"%s\",\"device\":\"%s\",\"bar\":%d,\"bar_offset\":%llu,\"size\":%llu",
			child, role, ivshmem.bdf, IVSHMEM_BAR, OFFSET, SIZE);
	return child;
}

static void turn(void)
{
	notify(to_child[1]);
	await(to_parent[0]);
}

static void wait_for_turn(void)
{
	notify(to_parent[1]);
	await(to_child[0]);
}

static void join(pid_t child)
{
	uint64_t begun = boot_ns();
	int status;

	notify(to_child[1]);
	waitpid(child, &status, 0);
	oracle_call("join", begun, status, "\"child\":%d", child);
}

static volatile uint32_t *begin(struct container *c)
{
	*c = container_with("c1", &ivshmem);
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, OFFSET, SIZE);

	bar[4] = WORD;
	return bar;
}

static void end(struct container *c)
{
	device_release(&ivshmem);
	group_close(&ivshmem);
	container_close(c);
}

/* A forked child keeps its parent's BAR while memory goes off and on, until it unmaps it. */
void child_keeps_bar(void)
{
	struct container c;
	volatile uint32_t *bar = begin(&c);
	pid_t child = fork_told("keeper");

	if (!child) {
		cpu_read("child, memory on", bar + 4);
		wait_for_turn();
		cpu_read("child, memory off", bar + 4);
		wait_for_turn();
		bar_free((void *)bar, SIZE);
		wait_for_turn();
		_exit(0);
	}
	await(to_parent[0]);
	settle();
	settle();
	memory_decode(&ivshmem, 0);
	cpu_read("memory off", bar + 4);
	turn();
	settle();
	memory_decode(&ivshmem, 1);
	cpu_read("memory on again", bar + 4);
	settle();
	turn();
	settle();
	settle();
	join(child);
	bar_free((void *)bar, SIZE);
	end(&c);
}

/*
 * Cases in which nothing is kept: a parent alone, a child that has unmapped the BAR, one that never
 * had it, and one with its own mapping.
 */
void child_lets_bar_go(void)
{
	struct container c;
	volatile uint32_t *bar = begin(&c);

	memory_decode(&ivshmem, 0);
	cpu_read("memory off", bar + 4);
	settle();
	memory_decode(&ivshmem, 1);
	cpu_read("memory on again", bar + 4);

	pid_t child = fork_told("unmaps, and maps anew");

	if (!child) {
		bar_free((void *)bar, SIZE);
		bar = bar_new(&ivshmem, IVSHMEM_BAR, OFFSET, SIZE);
		cpu_read("its own mapping", bar + 4);
		wait_for_turn();
		cpu_read("memory off", bar + 4);
		wait_for_turn();
		_exit(0);
	}
	await(to_parent[0]);
	settle();
	memory_decode(&ivshmem, 0);
	cpu_read("memory off", bar + 4);
	turn();
	settle();
	memory_decode(&ivshmem, 1);
	join(child);

	if (madvise((void *)bar, SIZE, MADV_DONTFORK))
		give_up("madvise", errno);
	cpu_read("memory on again", bar + 4);
	child = fork_told("has none");
	if (!child) {
		wait_for_turn();
		_exit(0);
	}
	await(to_parent[0]);
	settle();
	memory_decode(&ivshmem, 0);
	cpu_read("memory off", bar + 4);
	settle();
	memory_decode(&ivshmem, 1);
	join(child);
	bar_free((void *)bar, SIZE);
	end(&c);
}

/*
 * The same without a tool, up to where the child could read the BAR; it stops there until the
 * parent goes on.
 */
void held_by_child(void)
{
	struct container c;
	volatile uint32_t *bar = begin(&c);
	pid_t child = fork_told("keeper");

	if (!child) {
		wait_for_turn();
		cpu_read("child, memory off", bar + 4);
		wait_for_turn();
		_exit(0);
	}
	await(to_parent[0]);
	memory_decode(&ivshmem, 0);
	turn();
	memory_decode(&ivshmem, 1);
	oracle("stopped", "\"where\":\"a child has its parent's BAR\",\"t_after\":%lu", boot_ns());
	raise(SIGSTOP);
	join(child);
	bar_free((void *)bar, SIZE);
	end(&c);
}

/* An area that mremap has moved takes its pages with it. */
void moved_bar(void)
{
	struct container c;
	volatile uint32_t *bar = begin(&c);
	uint64_t begun = boot_ns();
	volatile uint32_t *moved = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (moved == MAP_FAILED ||
	    mremap((void *)bar, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)moved) != moved)
		give_up("mremap", errno);
	oracle_call("mremap", begun, 0,
		    "\"device\":\"%s\",\"bar\":%d,\"bar_offset\":%llu,\"size\":%llu", ivshmem.bdf,
		    IVSHMEM_BAR, OFFSET, SIZE);
	settle();
	settle();
	memory_decode(&ivshmem, 0);
	cpu_read("moved, memory off", moved + 4);
	settle();
	memory_decode(&ivshmem, 1);
	settle();
	bar_free((void *)moved, SIZE);
	settle();
	settle();
	end(&c);
}
