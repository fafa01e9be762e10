/* SPDX-License-Identifier: Apache-2.0 */
/* A device that has a new owner while an old mapping of its BAR is still in force. */
#include "devices.h"
#include "edu.h"
#include "oracle.h"
#include "pipes.h"
#include "scenarios.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW 0x200000ull
#define SIZE 0x200000ull
#define SECRET 0x5ec2e700u
#define FORGED 0xf0f0f0f0u
#define E1000E_SIZE 0x20000ull
#define E1000E_RAL0 0x5400 /* first four bytes of the MAC address */

/* Descriptors of the pipes between given-away and its victim, which is a program of its own. */
#define TO_VICTIM 60
#define FROM_VICTIM 61

/*
 * The new owner: opens the device in its own container, keeps a secret in it, and checks the secret
 * later.
 */
void given_away_victim(void)
{
	prctl(PR_SET_NAME, "victim");
	struct container c = container_with("victim", &ivshmem);
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	bar[4] = SECRET;
	notify(FROM_VICTIM);
	await(TO_VICTIM);
	edu_wrote(WINDOW + 16, FORGED, bar[4],
		  "the old container's device overwrote the new owner's memory");
	notify(FROM_VICTIM);
	await(TO_VICTIM);
	bar_free((void *)bar, SIZE);
	device_release(&ivshmem);
	group_close(&ivshmem);
	container_close(&c);
}

static pid_t start_victim(int *to, int *from)
{
	int down[2], up[2];

	if (pipe(down) || pipe(up))
		give_up("pipe", errno);
	pid_t child = fork();

	if (child == 0) {
		dup2(down[0], TO_VICTIM);
		dup2(up[1], FROM_VICTIM);
		close(down[0]), close(down[1]), close(up[0]), close(up[1]);
		execl("/proc/self/exe", "workload", "given-away-victim", NULL);
		_exit(127);
	}
	close(down[0]);
	close(up[1]);
	*to = down[1];
	*from = up[0];
	oracle("spawn", "\"child\":%d,\"role\":\"victim\",\"t_after\":%lu", child, boot_ns());
	return child;
}

void given_away(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);
	struct container other = container_with("c2", &ivshmem);
	void *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);
	int to, from, status;

	dma_map(&c, bar, WINDOW, SIZE);
	bar_free(bar, SIZE);
	device_release(&ivshmem);
	group_close(&ivshmem);
	container_close(&other);
	settle();

	pid_t victim = start_victim(&to, &from);

	await(from);
	edu_reads(&e, WINDOW + 16, SECRET,
		  "the old container's device read the new owner's secret");
	edu_poke(&e, WINDOW + 16, FORGED);
	notify(to);
	await(from);
	settle();
	dma_unmap(&c, WINDOW, SIZE);
	notify(to);
	waitpid(victim, &status, 0);
	oracle("exited", "\"child\":%d,\"status\":%d", victim, status);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/*
 * The host takes e1000e back and its own driver runs it, while edu's container still reaches its
 * registers.
 */
void host_driver(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);
	struct container other = container_with("c2", &e1000e);
	volatile uint32_t *bar = bar_new(&e1000e, E1000E_BAR, 0, E1000E_SIZE);
	uint32_t address = bar[E1000E_RAL0 / 4];

	dma_map(&c, (void *)bar, WINDOW, E1000E_SIZE);
	bar_free((void *)bar, E1000E_SIZE);
	device_release(&e1000e);
	group_close(&e1000e);
	container_close(&other);
	driver_unbind(&e1000e);
	driver_bind(&e1000e, "e1000e");
	settle();
	edu_reads(&e, WINDOW + E1000E_RAL0, address,
		  "the old container's device read a register of the host's network card");
	dma_unmap(&c, WINDOW, E1000E_SIZE);
	driver_unbind(&e1000e);
	driver_bind(&e1000e, "vfio-pci");
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/* Nobody has the device, and the mapping of its BAR is still there. */
void unbound(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);
	struct container other = container_with("c2", &ivshmem);
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	bar[4] = SECRET;
	dma_map(&c, (void *)bar, WINDOW, SIZE);
	bar_free((void *)bar, SIZE);
	device_release(&ivshmem);
	group_close(&ivshmem);
	container_close(&other);
	driver_unbind(&ivshmem);
	settle();
	edu_reads(&e, WINDOW + 16, SECRET, "device read the memory of a device without driver");
	dma_unmap(&c, WINDOW, SIZE);
	driver_bind(&ivshmem, "vfio-pci");
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}
