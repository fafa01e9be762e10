/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings of a BAR that outlive the release of the BAR's device: type1 keeps them, and DMA still
 * arrives.
 */
#include "devices.h"
#include "edu.h"
#include "oracle.h"
#include "scenarios.h"

#define WINDOW 0x200000ull /* the stale mapping: IOVA and size */
#define SIZE 0x200000ull
#define NIC_SIZE 0x20000ull
#define BEFORE 0x5eed0001u
#define AFTER 0x5eed0002u

/* The correct order: no mapping outlives its device. */
void clean_p2p(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	group_attach(&ivshmem, &c);
	device_open(&ivshmem);
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	bar[4] = BEFORE;
	dma_map(&c, (void *)bar, WINDOW, SIZE);
	edu_reads(&e, WINDOW + 16, BEFORE, "peer-to-peer while both devices are open");
	edu_poke(&e, WINDOW + 16, AFTER);
	edu_wrote(WINDOW + 16, AFTER, bar[4], "peer-to-peer while both devices are open");
	settle();
	dma_unmap(&c, WINDOW, SIZE);
	bar_free((void *)bar, SIZE);
	device_release(&ivshmem);
	group_close(&ivshmem);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/* Reads what edu wrote through the stale mapping with a CPU, once the device is open again. */
static void check_by_cpu(struct container *c, int attach)
{
	if (attach)
		group_attach(&ivshmem, c);
	device_open(&ivshmem);
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	edu_wrote(WINDOW + 16, AFTER, bar[4], "device wrote through the old mapping after release");
	bar_free((void *)bar, SIZE);
	device_release(&ivshmem);
	group_close(&ivshmem);
}

/* Begins with ivshmem open in `owner`, ends with a stale mapping of its BAR in edu's container. */
static void make_stale(struct engine *e)
{
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	bar[4] = BEFORE;
	dma_map(e->container, (void *)bar, WINDOW, SIZE);
	bar_free((void *)bar, SIZE);
	device_release(&ivshmem);
	settle();
	edu_reads(e, WINDOW + 16, BEFORE, "device read the old mapping after release");
	edu_poke(e, WINDOW + 16, AFTER);
}

void stale_same(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	group_attach(&ivshmem, &c);
	device_open(&ivshmem);
	make_stale(&e);
	dma_unmap(&c, WINDOW, SIZE);
	check_by_cpu(&c, 0);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

void stale_cross(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);
	struct container other = container_with("c2", &ivshmem);

	make_stale(&e);
	group_close(&ivshmem);
	container_close(&other);
	settle();
	dma_unmap(&c, WINDOW, SIZE);

	other = container_open("c3");
	group_attach(&ivshmem, &other);
	set_iommu(&other);
	check_by_cpu(&other, 0);
	container_close(&other);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/* Stale, then opened again by the same process in the same container: harmless again. */
void stale_reopen(void)
{
	struct container c = container_with("c1", &edu);
	struct engine e = edu_start(&c);

	group_attach(&ivshmem, &c);
	device_open(&ivshmem);
	make_stale(&e);
	device_open(&ivshmem);
	oracle("reopen", "\"device\":\"%s\",\"t_after\":%lu", ivshmem.bdf, boot_ns());
	settle();
	volatile uint32_t *bar = bar_new(&ivshmem, IVSHMEM_BAR, 0, SIZE);

	edu_wrote(WINDOW + 16, AFTER, bar[4], "device wrote through the old mapping after release");
	edu_reads(&e, WINDOW + 16, AFTER, "the mapping serves the device again");
	dma_unmap(&c, WINDOW, SIZE);
	bar_free((void *)bar, SIZE);
	device_release(&ivshmem);
	group_close(&ivshmem);
	edu_stop(&e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}

/*
 * A device that sleeps while nobody has it open: the mapping stays, and nothing answers until the
 * device wakes.
 */
void stale_asleep(void)
{
	struct container c = container_with("c1", &edu);

	group_attach(&e1000e, &c);
	device_open(&e1000e);
	void *bar = bar_new(&e1000e, E1000E_BAR, 0, NIC_SIZE);

	dma_map(&c, bar, WINDOW, NIC_SIZE);
	bar_free(bar, NIC_SIZE);
	device_release(&e1000e);
	settle();
	oracle("power-state", "\"device\":\"%s\",\"state\":%u,\"t\":%lu", e1000e.bdf,
	       power_state(&e1000e), boot_ns());
	dma_unmap(&c, WINDOW, NIC_SIZE);
	group_close(&e1000e);
	device_release(&edu);
	group_close(&edu);
	container_close(&c);
}
