/* SPDX-License-Identifier: Apache-2.0 */
/* The same memory in two containers of two processes. */
#define _GNU_SOURCE
#include "edu.h"
#include "oracle.h"
#include "pipes.h"
#include "scenarios.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY 0x1000000ull
#define THERE 0x3000000ull
#define SIZE 0x4000ull
#define WORD 0x5eed000bu
#define NOBODY 65534

static int memory_file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	struct stat facts;

	if (fd < 0 || ftruncate(fd, SIZE) || fstat(fd, &facts))
		give_up("memfd", errno);
	oracle("memory-file", "\"name\":\"%s\",\"inode\":%lu", name, facts.st_ino);
	return fd;
}

/*
 * The child maps `theirs` into its own container as `user`, and checks whether the parent's device
 * writes it.
 */
static void child_maps(uint32_t *theirs, unsigned user, int from, int to, int is_same)
{
	struct container c = container_with("c2", &testdev);

	if (user && setresuid(user, user, user))
		give_up("setresuid", errno);
	dma_map(&c, theirs, THERE, SIZE);
	notify(to);
	await(from);
	oracle("cpu-sees", "\"same\":%s,\"word\":\"0x%x\",\"ok\":%s", is_same ? "true" : "false",
	       theirs[4], (theirs[4] == WORD) == is_same ? "true" : "false");
	settle();
	dma_unmap(&c, THERE, SIZE);
	notify(to);
	await(from);
	device_release(&testdev);
	group_close(&testdev);
	container_close(&c);
	_exit(0);
}

/* edu writes `ours` through c1 while `theirs` is mapped in c2. */
static void two_containers(uint32_t *ours, uint32_t *theirs, unsigned user, int is_same)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);
	int down[2], up[2], status;

	dma_map(&c, ours, MEMORY, SIZE);
	if (pipe(down) || pipe(up))
		give_up("pipe", errno);

	pid_t child = fork();

	if (child == 0) {
		close(down[1]), close(up[0]);
		child_maps(theirs, user, down[0], up[1], is_same);
	}
	close(down[0]), close(up[1]);
	oracle("spawn", "\"child\":%d,\"role\":\"sharer\",\"t_after\":%lu", child, boot_ns());
	await(up[0]);
	edu_poke(&e, MEMORY + 16, WORD);
	edu_wrote(MEMORY + 16, WORD, ours[4], "the device writes the memory");
	notify(down[1]);
	await(up[0]);
	notify(down[1]);
	waitpid(child, &status, 0);
	oracle("exited", "\"child\":%d,\"status\":%d", child, status);
	dma_unmap(&c, MEMORY, SIZE);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

void shared_memfd(void)
{
	int fd = memory_file("lab");

	two_containers(shared_new(fd, SIZE), shared_new(fd, SIZE), 0, 1);
}

/* Inherited over a fork and a change of user: no file name leads to the memory. */
void shared_anonymous(void)
{
	void *ram = shared_new(-1, SIZE);

	two_containers(ram, ram, NOBODY, 1);
}

/* Two files, at the same place in each. */
void shared_not(void)
{
	two_containers(shared_new(memory_file("one"), SIZE), shared_new(memory_file("two"), SIZE),
		       0, 0);
}
