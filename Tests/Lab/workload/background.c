/* SPDX-License-Identifier: Apache-2.0 */
/* Programs whose stale mapping is held by a process that its parent does not wait for. */
#include "edu.h"
#include "oracle.h"
#include "pipes.h"
#include "scenarios.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

#define WINDOW 0x200000ull
#define SIZE 0x200000ull

/*
 * Makes a mapping stale, reports that on `ready`, holds it for longer than any debounce, and cleans
 * up.
 */
static void hold_stale_mapping(int ready)
{
	struct container c = container_with("c1", &edu);

	group_attach(&ivshmem, &c);
	device_open(&ivshmem);
	void *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	dma_map(&c, bar, WINDOW, SIZE);
	bar_free(bar, SIZE);
	device_release(&ivshmem);
	if (ready >= 0)
		notify(ready);
	settle();
	settle();
	dma_unmap(&c, WINDOW, SIZE);
	group_close(&ivshmem);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/* Starts as a daemon does: in its own session, forked twice, after its ancestors have exited. */
void stale_daemon(void)
{
	int gone[2];

	if (pipe(gone))
		give_up("pipe", errno);
	if (fork() == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		close(gone[1]);
		char byte;
		while (read(gone[0], &byte, 1) > 0)
			;
		hold_stale_mapping(-1);
	}
}

/* The command's process ends as soon as the mapping is stale; the child that holds it lives on. */
void stale_left_behind(void)
{
	int ready[2];

	if (pipe(ready))
		give_up("pipe", errno);
	if (fork() == 0) {
		close(ready[0]);
		hold_stale_mapping(ready[1]);
		return;
	}
	close(ready[1]);
	await(ready[0]);
}
