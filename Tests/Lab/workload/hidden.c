/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that no descriptor of a task leads to: one held by a BAR mapping alone, and one whose
 * descriptors are all in flight in a socket.
 */
#include "oracle.h"
#include "scenarios.h"
#include "vfio.h"

#include <errno.h>
#include <linux/vfio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BASE 0x1000000ull
#define MAPPINGS 4

static struct container begin(void)
{
	struct container c = container_with("c1", &ivshmem);
	char *ram = ram_new(PAGE);

	for (int i = 0; i < MAPPINGS; i++)
		dma_map(&c, ram, BASE + 2 * i * PAGE, PAGE);
	return c;
}

/* Everything is released when the process exits. */
static void end(const char *how)
{
	oracle("stopped", "\"where\":\"%s\",\"t_after\":%lu", how, boot_ns());
	raise(SIGSTOP);
}

void held_by_bar(void)
{
	struct container c = begin();

	bar_new(&ivshmem, IVSHMEM_BAR, 0, 16 * PAGE);
	device_close(&ivshmem);
	group_close(&ivshmem);
	container_close(&c);
	end("held by a BAR mapping");
}

void held_in_flight(void)
{
	struct container c = begin();
	int pair[2], descriptors[3] = { c.fd, ivshmem.group_fd, ivshmem.fd };
	char byte = 0, control[CMSG_SPACE(sizeof(descriptors))] = {};
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		give_up("socketpair", errno);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(descriptors));
	memcpy(CMSG_DATA(head), descriptors, sizeof(descriptors));
	if (sendmsg(pair[0], &message, 0) != 1)
		give_up("sendmsg", errno);
	for (int i = 0; i < 3; i++)
		close(descriptors[i]);
	end("held in flight");
}
