/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Follows a map request. The fields of its record come from the kernel's own vfio_dma, read while
 * the iommu's lock is held: a user who changes the ioctl's arguments meanwhile cannot falsify them.
 * Physically contiguous runs of device memory are folded into extents; runs of RAM are only
 * counted.
 */
#pragma once
#include "hook.h"
#include "backing.h"
#include <linux/vfio.h>

/* A mapping with more extents still has exact byte counts, and is flagged VS_MAP_MORE_EXTENTS. */
#define MAX_EXTENTS 256

static __always_inline bool in_pci_window(uint64_t phys)
{
	for (uint32_t i = 0; i < MAX_WINDOWS; i++) {
		if (i >= pci_window_count)
			break;
		if (phys >= pci_windows[i].first && phys <= pci_windows[i].last)
			return true;
	}
	return false;
}

static __always_inline void emit_extent(struct map_state *state)
{
	if (!state->run_bytes)
		return;
	if (state->extents >= MAX_EXTENTS) {
		state->flags |= VS_MAP_MORE_EXTENTS;
	} else {
		state->extents++;
		EMIT (VS_EXTENT, vs_extent, r) {
			r->dma = state->dma;
			r->iova = state->run_iova;
			r->phys = state->run_phys;
			r->bytes = state->run_bytes;
		}
	}
	state->run_bytes = 0;
}

/*
 * Each call pins one physically contiguous run. Arguments: dma, vaddr, npage, *pfn_base, …; it
 * returns the number of pinned pages, or a negative errno.
 */
static __always_inline void pages_pinned(uint64_t *arg, long ret, bool probed)
{
	struct vfio_dma *dma = (void *)arg[0];
	uint64_t vaddr = arg[1];
	uint64_t pfn = 0, phys, bytes;
	struct map_state *state = map_state(true, probed);

	if (!state) {
		count_failure(VS_EXTENT);
		return;
	}
	if (vaddr == LOAD_VFIO(probed, dma, vaddr, OFF_DMA_VADDR)) {
		/*
		 * The first run. During a map request dma->size grows run by run, so it is 0 here.
		 * If not, the kernel replays an old mapping onto a new domain: ignore it.
		 */
		if (LOAD_VFIO(probed, dma, size, OFF_DMA_SIZE)) {
			state->dma = 0;
			return;
		}
		state->pinned = state->device_bytes = state->run_bytes = 0;
		state->extents = state->chunks = 0;
		state->flags = 0;
		state->dma = (uint64_t)dma;
		state->begin = bpf_ktime_get_boot_ns();
		state->iova = LOAD_VFIO(probed, dma, iova, OFF_DMA_IOVA);
		state->vaddr = vaddr;
		state->prot = LOAD_VFIO(probed, dma, prot, OFF_DMA_PROT);
		state->requested = arg[2] << page_shift;
	}
	if (state->dma != (uint64_t)dma || ret <= 0)
		return;

	bpf_probe_read_kernel(&pfn, sizeof(pfn), (void *)arg[3]);
	phys = pfn << page_shift;
	bytes = (uint64_t)ret << page_shift;
	state->chunks++;
	if (in_pci_window(phys)) {
		uint64_t iova = state->iova + state->pinned;

		state->device_bytes += bytes;
		if (!state->run_bytes || state->run_phys + state->run_bytes != phys ||
		    state->run_iova + state->run_bytes != iova) {
			emit_extent(state);
			state->run_iova = iova;
			state->run_phys = phys;
		}
		state->run_bytes += bytes;
	}
	state->pinned += bytes;
}
HOOK_EXIT(vfio_pin_pages_remote, HOOK_PIN, VS_EXTENT, pages_pinned)

static __always_inline void map_returned(uint64_t iommu, uint64_t arg, int ret, bool probed)
{
	struct map_state *state = map_state(false, probed);
	bool pinned = state && state->dma;
	struct vfio_iommu_type1_dma_map user = {};
	struct backing backing = {};

	if (pinned)
		emit_extent(state);
	else
		bpf_probe_read_user(&user, sizeof(user), (void *)arg);

	if (pinned && !ret && !state->device_bytes) {
		backing.vaddr = state->vaddr;
		find_backing(&backing, probed);
	}
	EMIT (VS_MAP, vs_map, r) {
		r->iommu = iommu;
		r->ret = ret;
		if (pinned) {
			r->dma = state->dma;
			r->begin = state->begin;
			r->iova = state->iova;
			r->vaddr = state->vaddr;
			r->size = ret ? state->requested : state->pinned;
			r->prot = state->prot & (IOMMU_READ | IOMMU_WRITE);
			r->flags = state->flags;
			r->device_bytes = state->device_bytes;
			r->extents = state->extents;
			r->chunks = state->chunks;
			r->backing_kind = backing.kind;
			r->backing_device = backing.device;
			r->backing_inode = backing.inode;
			r->backing_offset = backing.offset;
		} else {
			/*
			 * Nothing was pinned: the request was refused at once, or updates a vaddr,
			 * or the container has only emulated devices (mdev).
			 */
			r->iova = user.iova;
			r->vaddr = user.vaddr;
			r->size = user.size;
			r->prot = user.flags & (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
			r->flags = VS_MAP_FROM_USER |
				   (user.flags & VFIO_DMA_MAP_FLAG_VADDR ? VS_MAP_VADDR_ONLY : 0);
		}
	}
	if (state)
		state->dma = 0;
}
