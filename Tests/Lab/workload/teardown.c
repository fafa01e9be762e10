/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Teardowns that take far longer than the debounce, because 60,000 scattered pieces of RAM are
 * unmapped before the BAR; and their near misses, in which a device of the container can still do
 * DMA.
 */
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"
#include "vfio.h"

#include <linux/vfio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM_BASE 0x100000000ull /* above the window of interrupts at 0xfee00000 */
#define PIECES 60000
#define PIECE (16 * PAGE)
#define STRIDE (32 * PAGE)
#define WINDOW 0xf800000ull   /* edu's addresses have 28 bits */
#define ABOVE 0x1000000000ull /* above the RAM: mappings are removed in ascending order */
#define SIZE 0x200000ull
#define WORD 0x5eed0001u

/* A container with edu and ivshmem open, ivshmem's BAR mapped, and `pieces` pieces of RAM. */
static struct engine begin(struct container *c, volatile uint32_t **bar, unsigned pieces)
{
	char *ram = ram_new(PIECE);

	*c = container_with("c1", &edu);
	struct engine e = edu_start(c);

	/* The page in which DMA shows is an heir's, too. */
	dma_unmap(c, EDU_RAM, PAGE);
	e.ram = shared_new(-1, PAGE);
	dma_map(c, e.ram, EDU_RAM, PAGE);
	group_attach(&ivshmem, c);
	device_open(&ivshmem);
	*bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);
	(*bar)[4] = WORD;
	for (unsigned i = 0; i < pieces; i++)
		if (dma_map_quietly(c, ram, RAM_BASE + (uint64_t)i * STRIDE, PIECE,
				    VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
			give_up("map RAM", 0);
	dma_map(c, (void *)*bar, pieces ? ABOVE : WINDOW, SIZE);
	return e;
}

/* Waits for the end of a child, and records when it came: all its files are closed then. */
static void wait_for(pid_t child)
{
	int status;
	uint64_t begun = boot_ns();

	if (waitpid(child, &status, 0) != child)
		give_up("wait", 0);
	oracle_call("ended", begun, 0, "\"child\":%d", child);
}

static void end_by(int signal)
{
	pid_t child = fork();

	if (!child) {
		struct container c;
		volatile uint32_t *bar;

		begin(&c, &bar, PIECES);
		oracle("ending", "\"signal\":%d,\"t_after\":%lu", signal, boot_ns());
		if (signal)
			raise(signal);
		_exit(0);
	}
	wait_for(child);
}

void teardown_exit(void)
{
	end_by(0);
}

void teardown_kill(void)
{
	end_by(SIGKILL);
}

/* The heir keeps edu, container and groups open after its parent's end, and lets edu read. */
void teardown_one_open(void)
{
	pid_t child = fork();

	if (!child) {
		struct container c;
		volatile uint32_t *bar;
		struct engine e = begin(&c, &bar, 0);

		if (!fork()) {
			bar_free((void *)bar, SIZE);
			device_close(&ivshmem);
			while (getppid() == child)
				usleep(1000);
			sleep(1);
			edu_reads(&e, WINDOW + 16, WORD,
				  "device read the old mapping after release");
			sleep(2);
			oracle("heir-ends", "\"t_after\":%lu", boot_ns());
			_exit(0);
		}
		usleep(300000);
		oracle("ending", "\"signal\":0,\"t_after\":%lu", boot_ns());
		_exit(0);
	}
	wait_for(child);
	sleep(6);
}

/* Nobody can start a DMA until edu is opened again. */
void teardown_reopen(void)
{
	struct container c;
	volatile uint32_t *bar;
	struct engine e = begin(&c, &bar, 0);

	bar_free((void *)bar, SIZE);
	device_release(&ivshmem);
	edu_stop(&e);
	device_release(&edu);
	settle();
	device_open(&edu);
	e = edu_start(&c);
	settle();
	edu_reads(&e, WINDOW + 16, WORD, "device read the old mapping once it was open again");
	dma_unmap(&c, WINDOW, SIZE);
	group_close(&ivshmem);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}
