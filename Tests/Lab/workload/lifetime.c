/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps a device open, and what an exit releases. */
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW 0x200000ull
#define SIZE 0x200000ull
#define WORD 0x5eed0004u
#define MEMORY 0x1000000ull
#define MEMORY_SIZE 0x400000ull

static void mapped_child(int ready)
{
	struct container c = container_with("child", &edu);

	edu_start(&c);
	group_attach(&ivshmem, &c);
	device_open(&ivshmem);
	dma_map(&c, ram_new(MEMORY_SIZE), MEMORY, MEMORY_SIZE);
	dma_map(&c, bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE), WINDOW, SIZE);
	settle();
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* SIGKILL: nothing may be left, and the groups must be free again. */
void sigkill(void)
{
	int pipes[2], status;
	char byte;

	if (pipe(pipes))
		give_up("pipe", errno);
	pid_t child = fork();

	if (child == 0)
		mapped_child(pipes[1]);
	oracle("spawn", "\"child\":%d,\"role\":\"killed\",\"t_after\":%lu", child, boot_ns());
	close(pipes[1]);
	if (read(pipes[0], &byte, 1) != 1)
		give_up("the child did not get ready", EPIPE);

	uint64_t begun = release_begin();

	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	oracle_call("killed", begun, 0, "\"child\":%d,\"status\":%d,\"bytes\":%llu", child, status,
		    MEMORY_SIZE + SIZE + PAGE);
	release_end(&ivshmem, begun);
	release_end(&edu, begun);
	settle();

	struct container c = container_with("c2", &edu);

	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/*
 * A duplicate, then a BAR mapping alone, keeps the device open; only the end of the last one
 * releases it.
 */
void dup_outlives(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	group_attach(&ivshmem, &c);
	device_open(&ivshmem);
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	bar[4] = WORD;
	dma_map(&c, (void *)bar, WINDOW, SIZE);

	int copy = fcntl(ivshmem.fd, F_DUPFD_CLOEXEC, 0);

	oracle("dup", "\"what\":\"device\",\"device\":\"%s\",\"ret\":%d,\"t_after\":%lu",
	       ivshmem.bdf, copy < 0 ? -errno : 0, boot_ns());
	device_close(&ivshmem);
	settle();
	ivshmem.fd = copy;
	device_close(&ivshmem);
	oracle("note",
	       "\"text\":\"no descriptor of the device is left, its BAR is still mapped\",\"t_after\":%lu",
	       boot_ns());
	settle();
	edu_reads(&e, WINDOW + 16, WORD, "the device is still open by way of its BAR");

	uint64_t begun = release_begin();

	bar_free((void *)bar, SIZE);
	release_end(&ivshmem, begun);
	settle();
	edu_reads(&e, WINDOW + 16, WORD, "device read the old mapping after release");

	/* A duplicate of the container: closing the original does not end it. */
	copy = fcntl(c.fd, F_DUPFD_CLOEXEC, 0);
	oracle("dup", "\"what\":\"container\",\"container\":\"c1\",\"ret\":%d,\"t_after\":%lu",
	       copy < 0 ? -errno : 0, boot_ns());
	container_close(&c);
	c.fd = copy;
	dma_unmap(&c, WINDOW, SIZE);
	group_close(&ivshmem);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}
