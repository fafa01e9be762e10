/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hooks on containers: /dev/vfio/vfio is opened and released; the type1 IOMMU side is created,
 * groups are attached to it and detached from it, and it is released.
 */
#pragma once
#include "hook.h"
#include "pci.h"

#define IS_ERROR(value) ((uint64_t)(value) >= (uint64_t)-4095)

static __always_inline void container_open(uint64_t *arg, long ret, bool probed)
{
	struct file *file = (void *)arg[1];

	if ((int)ret)
		return;
	mark_owner();
	EMIT (VS_CONTAINER_OPEN, vs_container, r)
		r->container = (uint64_t)READ(file, private_data);
}
HOOK_EXIT(vfio_fops_open, HOOK_CONTAINER_OPEN, VS_CONTAINER_OPEN, container_open)

/*
 * At entry, because the release clears private_data. The container itself lives on as long as a
 * group is attached.
 */
static __always_inline void container_close(uint64_t *arg, bool probed)
{
	struct file *file = (void *)arg[1];

	EMIT (VS_CONTAINER_CLOSE, vs_container, r)
		r->container = (uint64_t)READ(file, private_data);
}
HOOK_ENTRY(vfio_fops_release, container_close)

static __always_inline void iommu_open(uint64_t *arg, long ret, bool probed)
{
	if (!ret || IS_ERROR(ret))
		return;
	EMIT (VS_IOMMU_OPEN, vs_iommu, r) {
		r->iommu = ret;
		r->value = arg[0];
	}
}
HOOK_EXIT(vfio_iommu_type1_open, HOOK_IOMMU_OPEN, VS_IOMMU_OPEN, iommu_open)

static __always_inline void iommu_group_change(uint32_t type, uint64_t iommu,
					       struct iommu_group *group, int ret, uint32_t phase)
{
	EMIT (type, vs_iommu, r) {
		r->iommu = iommu;
		r->value = group_number(group);
		r->ret = ret;
		r->phase = phase;
	}
}

static __always_inline void iommu_attach(uint64_t *arg, long ret, bool probed)
{
	iommu_group_change(VS_IOMMU_ATTACH, arg[0], (void *)arg[1], ret, VS_END);
}
HOOK_EXIT(vfio_iommu_type1_attach_group, HOOK_IOMMU_ATTACH, VS_IOMMU_ATTACH, iommu_attach)

/* Begin and end: mappings that vfio_remove_dma removes in between belong to the teardown. */
static __always_inline void iommu_detach_begin(uint64_t *arg, bool probed)
{
	iommu_group_change(VS_IOMMU_DETACH, arg[0], (void *)arg[1], 0, VS_BEGIN);
}
HOOK_ENTRY(vfio_iommu_type1_detach_group, iommu_detach_begin)

static __always_inline void iommu_detach_end(uint64_t *arg, long ret, bool probed)
{
	/* The group may be gone by now; the begin record has its number. */
	iommu_group_change(VS_IOMMU_DETACH, arg[0], 0, 0, VS_END);
}
HOOK_EXIT(vfio_iommu_type1_detach_group, HOOK_IOMMU_DETACH, VS_IOMMU_DETACH, iommu_detach_end)

static __always_inline void iommu_release_begin(uint64_t *arg, bool probed)
{
	iommu_group_change(VS_IOMMU_RELEASE, arg[0], 0, 0, VS_BEGIN);
}
HOOK_ENTRY(vfio_iommu_type1_release, iommu_release_begin)

static __always_inline void iommu_release_end(uint64_t *arg, long ret, bool probed)
{
	iommu_group_change(VS_IOMMU_RELEASE, arg[0], 0, 0, VS_END);
}
HOOK_EXIT(vfio_iommu_type1_release, HOOK_IOMMU_RELEASE, VS_IOMMU_RELEASE, iommu_release_end)
