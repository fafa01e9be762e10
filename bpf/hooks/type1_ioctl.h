/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hooks on vfio_iommu_type1_ioctl, through which every map and unmap request goes. The handlers of
 * the two are in type1_map.h and type1_unmap.h.
 */
#pragma once
#include "hooks/type1_map.h"
#include "hooks/type1_unmap.h"

static __always_inline void type1_ioctl_begins(uint64_t *arg, bool probed)
{
	/* VFIO_SET_IOMMU calls this with no iommu, to ask for supported extensions. */
	if (arg[0] && (uint32_t)arg[1] == VFIO_IOMMU_UNMAP_DMA)
		unmap_requested(arg[2], probed);
}
HOOK_ENTRY(vfio_iommu_type1_ioctl, type1_ioctl_begins)

static __always_inline void type1_ioctl(uint64_t *arg, long ret, bool probed)
{
	uint32_t cmd = arg[1];

	if (!arg[0])
		return;
	if (cmd == VFIO_IOMMU_MAP_DMA)
		map_returned(arg[0], arg[2], ret, probed);
	else if (cmd == VFIO_IOMMU_UNMAP_DMA)
		unmap_returned(arg[0], arg[2], ret, probed);
}
HOOK_EXIT(vfio_iommu_type1_ioctl, HOOK_TYPE1_IOCTL, VS_MAP, type1_ioctl)
