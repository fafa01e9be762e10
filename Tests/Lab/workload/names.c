/* SPDX-License-Identifier: Apache-2.0 */
/* Who a process is, by its command line and its control group. The step `names` chooses both. */
#include "edu.h"
#include "oracle.h"
#include "pipes.h"
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW 0x200000ull
#define SIZE 0x200000ull

/* Descriptors of the pipes between a process and its heir, which is a program of its own. */
#define TO_HEIR 60
#define FROM_HEIR 61

/* Records what /proc reports of this process. */
static void who_am_i(const char *role)
{
	char group[1024] = "", command[1024] = "";
	ssize_t length;
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, group, sizeof(group) - 1) < 0)
		give_up("/proc/self/cgroup", errno);
	close(fd);
	group[strcspn(group, "\n")] = 0;
	/* JSON wants libvirt's backslashes doubled. */
	char escaped[2048], *end = escaped;
	for (char *c = group; *c; c++) {
		if (*c == '\\')
			*end++ = '\\';
		*end++ = *c;
	}
	*end = 0;
	fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? -1 : read(fd, command, sizeof(command) - 1);
	if (length < 0)
		give_up("/proc/self/cmdline", errno);
	close(fd);
	for (ssize_t i = 0; i < length - 1; i++)
		if (!command[i])
			command[i] = ' ';
	oracle("who", "\"role\":\"%s\",\"cgroup\":\"%s\",\"command\":\"%s\"", role, escaped,
	       command);
}

/* A mapping of ivshmem's BAR in c1, ivshmem released from another container. */
static struct container leave_mapping(void)
{
	struct container c = container_with("c1", &edu);
	struct container other = container_with("c2", &ivshmem);
	void *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	dma_map(&c, bar, WINDOW, SIZE);
	bar_free(bar, SIZE);
	device_release(&ivshmem);
	group_close(&ivshmem);
	container_close(&other);
	return c;
}

static void join(const char *group)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		give_up(path, errno);
	close(fd);
}

/* Takes the device over, in a container of its own. */
void names_heir(void)
{
	who_am_i("heir");
	struct container c = container_with("heir", &ivshmem);

	notify(FROM_HEIR);
	await(TO_HEIR);
	device_release(&ivshmem);
	group_close(&ivshmem);
	container_close(&c);
}

/*
 * $HEIR: the heir's arguments, separated by blanks; $HEIR_CGROUP: where it is moved before it
 * starts.
 */
static pid_t start_heir(int *to, int *from)
{
	char *words = strdup(getenv("HEIR") ? getenv("HEIR") : ""), *group = getenv("HEIR_CGROUP");
	char *arguments[16] = { "workload", "names-heir" };
	int down[2], up[2], count = 2;

	for (char *word = strtok(words, " "); word && count < 15; word = strtok(NULL, " "))
		arguments[count++] = word;
	if (pipe(down) || pipe(up))
		give_up("pipe", errno);
	pid_t child = fork();

	if (child == 0) {
		dup2(down[0], TO_HEIR);
		dup2(up[1], FROM_HEIR);
		close(down[0]), close(down[1]), close(up[0]), close(up[1]);
		if (group)
			join(group);
		execv("/proc/self/exe", arguments);
		_exit(127);
	}
	close(down[0]);
	close(up[1]);
	*to = down[1];
	*from = up[0];
	oracle("spawn", "\"child\":%d,\"role\":\"heir\",\"t_after\":%lu", child, boot_ns());
	return child;
}

/*
 * Another process opens the device that a mapping leads to. Their names decide whether both belong
 * to one owner.
 */
void names(void)
{
	int to, from, status;

	who_am_i("parent");
	struct container c = leave_mapping();
	pid_t heir = start_heir(&to, &from);

	await(from);
	settle();
	dma_unmap(&c, WINDOW, SIZE);
	notify(to);
	waitpid(heir, &status, 0);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/* The same process, another program: a live update. All descriptors but ivshmem's live on. */
void names_reexec(void)
{
	who_am_i("before");
	struct container first = container_open("first");

	/* The tool reads /proc shortly after the event: let it find this program. */
	usleep(500000);
	container_close(&first);
	struct container c = leave_mapping();
	int kept[] = { c.fd, edu.group_fd, edu.fd };

	for (unsigned i = 0; i < 3; i++)
		fcntl(kept[i], F_SETFD, 0);
	execl("/proc/self/exe", "workload", "names-again", "-name", "guest=after", NULL);
	give_up("exec", errno);
}

void names_again(void)
{
	who_am_i("after");
	struct container c = container_with("c3", &ivshmem);

	settle();
	device_release(&ivshmem);
	group_close(&ivshmem);
	container_close(&c);
}
