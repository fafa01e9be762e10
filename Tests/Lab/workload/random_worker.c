/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: makes the requested system calls, one batch after the other. */
#define _GNU_SOURCE
#include "random.h"
#include "oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REGION(index) ((uint64_t)(index) << 40) /* VFIO_PCI_INDEX_TO_OFFSET */

static int64_t answer(int64_t result)
{
	return result < 0 ? -errno : result;
}

static int64_t top(int fd)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap =
		(void *)iommu_capability(fd, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);

	return cap && cap->nr_iovas ? (int64_t)cap->iova_ranges[cap->nr_iovas - 1].end : -ENOENT;
}

static int64_t decode(int fd, bool on)
{
	uint16_t command;
	off_t at = REGION(VFIO_PCI_CONFIG_REGION_INDEX) + 4;

	if (pread(fd, &command, 2, at) != 2)
		return -errno;
	command = on ? command | 6 : command & ~2u;
	return answer(pwrite(fd, &command, 2, at)) == 2 ? 0 : -EIO;
}

/*
 * A child that has copies of everything and does nothing. It is a child of the coordinator, so that
 * it may outlive the worker.
 */
static int64_t fork_holder(void)
{
	long child = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		for (;;)
			pause();
	return answer(child);
}

static int64_t send_fd(int socket, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return answer(sendmsg(socket, &message, 0)) == 1 ? 0 : -errno;
}

static int64_t receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
		return -EPIPE;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return fd;
}

int take_fd(int process)
{
	return receive_fd(processes[process].socket);
}

int64_t give_fd(int process, int fd)
{
	return send_fd(processes[process].socket, fd);
}

static int64_t carry_out(const struct request *r, int socket)
{
	int fd = r->other;

	switch (r->call) {
	case CALL_OPEN:
		return answer(open(r->text, O_RDWR | O_CLOEXEC));
	case CALL_CLOSE:
		return answer(close(r->fd));
	case CALL_DUP:
		return answer(fcntl(r->fd, F_DUPFD_CLOEXEC, 0));
	case CALL_MMAP_BAR:
		return answer((int64_t)mmap((void *)r->address, r->size, PROT_READ | PROT_WRITE,
					    MAP_SHARED | (r->address ? MAP_FIXED : 0), r->fd,
					    REGION(r->flags) + r->offset));
	case CALL_MMAP_RAM:
		return answer((int64_t)mmap(NULL, r->size, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
	case CALL_MUNMAP:
		return answer(munmap((void *)r->address, r->size));
	case CALL_SET_CONTAINER:
		return answer(ioctl(r->fd, VFIO_GROUP_SET_CONTAINER, &fd));
	case CALL_UNSET_CONTAINER:
		return answer(ioctl(r->fd, VFIO_GROUP_UNSET_CONTAINER));
	case CALL_SET_IOMMU:
		return answer(ioctl(r->fd, VFIO_SET_IOMMU, (long)r->flags));
	case CALL_GET_DEVICE:
		return answer(ioctl(r->fd, VFIO_GROUP_GET_DEVICE_FD, r->text));
	case CALL_BAR_SIZE: {
		struct vfio_region_info region = { .argsz = sizeof(region), .index = r->flags };

		if (ioctl(r->fd, VFIO_DEVICE_GET_REGION_INFO, &region))
			return -errno;
		return region.flags & VFIO_REGION_INFO_FLAG_MMAP ? (int64_t)region.size : 0;
	}
	case CALL_MAP: {
		struct container c = { .fd = r->fd };

		return dma_map_quietly(&c, (void *)r->address, r->iova, r->size, r->flags);
	}
	case CALL_UNMAP: {
		struct container c = { .fd = r->fd };

		return dma_unmap_quietly(&c, r->iova, r->size, r->flags);
	}
	case CALL_RESET:
		return answer(ioctl(r->fd, VFIO_DEVICE_RESET));
	case CALL_DECODE:
		return decode(r->fd, r->flags);
	case CALL_AVAILABLE:
		return dma_available(r->fd);
	case CALL_TOP:
		return top(r->fd);
	case CALL_UNMAP_ALL_KNOWN:
		return answer(ioctl(r->fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL));
	case CALL_FORK:
		return fork_holder();
	case CALL_SEND:
		return send_fd(socket, r->fd);
	case CALL_RECEIVE:
		return receive_fd(socket);
	}
	return -ENOSYS;
}

void worker_loop(int socket)
{
	static struct request requests[BATCH];
	static int64_t results[BATCH];

	for (;;) {
		ssize_t length = read(socket, requests, sizeof(requests));
		int count = length / (ssize_t)sizeof(*requests);

		if (length <= 0)
			_exit(0);
		for (int i = 0; i < count; i++)
			results[i] = carry_out(&requests[i], socket);
		if (write(socket, results, count * sizeof(*results)) < 0)
			_exit(1);
	}
}
