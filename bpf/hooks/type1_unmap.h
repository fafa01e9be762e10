/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Follows the removal of mappings. vfio_remove_dma is called for every vfio_dma that goes: on an
 * unmap request, in a teardown, and after a map request that failed.
 */
#pragma once
#include "hooks/type1_map.h"

static __always_inline void dma_removed(uint64_t *arg, bool probed)
{
	struct vfio_dma *dma = (void *)arg[1];
	struct map_state *state = map_state(false, probed);

	EMIT (VS_REMOVE, vs_remove, r) {
		r->iommu = arg[0];
		r->dma = arg[1];
		r->iova = LOAD_VFIO(probed, dma, iova, OFF_DMA_IOVA);
		r->size = LOAD_VFIO(probed, dma, size, OFF_DMA_SIZE);
		if (state && state->dma == arg[1])
			r->flags = VS_REMOVE_FAILED_MAP;
	}
}
HOOK_ENTRY(vfio_remove_dma, dma_removed)

/*
 * At entry, because the kernel overwrites the size in the caller's struct with the bytes that it
 * removed.
 */
static __always_inline void unmap_requested(uint64_t arg, bool probed)
{
	struct vfio_iommu_type1_dma_unmap user = {};
	struct map_state *state = map_state(true, probed);

	if (!state)
		return;
	bpf_probe_read_user(&user, sizeof(user), (void *)arg);
	state->unmap_size = user.size;
}

static __always_inline void unmap_returned(uint64_t iommu, uint64_t arg, int ret, bool probed)
{
	struct map_state *state = map_state(false, probed);
	struct vfio_iommu_type1_dma_unmap user = {};

	bpf_probe_read_user(&user, sizeof(user), (void *)arg);
	EMIT (VS_UNMAP, vs_unmap, r) {
		r->iommu = iommu;
		r->iova = user.iova;
		r->size = user.size;
		r->flags = user.flags;
		r->ret = ret;
		if (state)
			r->requested = state->unmap_size;
	}
	if (state)
		state->unmap_size = 0;
}
