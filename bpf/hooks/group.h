/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks on groups: /dev/vfio/N is opened and released, attached to a container and detached. */
#pragma once
#include "hook.h"
#include "pci.h"
#include <linux/vfio.h>

static __always_inline void emit_group(uint32_t type, struct vfio_group *group, uint64_t container,
				       bool probed)
{
	struct iommu_group *iommu_group =
		READ_VFIO(probed, group, iommu_group, OFF_GROUP_IOMMU_GROUP);

	EMIT (type, vs_group, r) {
		r->group = (uint64_t)group;
		r->container = container;
		r->number = group_number(iommu_group);
	}
}

static __always_inline void group_open(uint64_t *arg, long ret, bool probed)
{
	struct file *file = (void *)arg[1];

	if ((int)ret)
		return;
	mark_owner();
	emit_group(VS_GROUP_OPEN, READ(file, private_data), 0, probed);
}
HOOK_EXIT(vfio_group_fops_open, HOOK_GROUP_OPEN, VS_GROUP_OPEN, group_open)

static __always_inline void group_close(uint64_t *arg, bool probed)
{
	struct file *file = (void *)arg[1];
	struct vfio_group *group = READ(file, private_data);

	if (group)
		emit_group(VS_GROUP_CLOSE, group, 0, probed);
}
HOOK_ENTRY(vfio_group_fops_release, group_close)

/* 5.19 and later; before, SET_CONTAINER is inlined into the group's ioctl (hooks/device.h). */
static __always_inline void group_attach(uint64_t *arg, long ret, bool probed)
{
	if ((int)ret)
		return;
	emit_group(VS_GROUP_ATTACH, (void *)arg[1], arg[0], probed);
}
HOOK_EXIT_BTF(vfio_container_attach_group, group_attach)

/* At entry, while group->container is still set. */
static __always_inline void group_detach(uint64_t *arg, bool probed)
{
	struct vfio_group *group = (void *)arg[0];
	uint64_t container = (uint64_t)READ_VFIO(probed, group, container, OFF_GROUP_CONTAINER);

	emit_group(VS_GROUP_DETACH, group, container, probed);
}
SEC("fentry/vfio_group_detach_container") int fentry_vfio_group_detach_container(uint64_t *ctx)
{
	group_detach(ctx, false);
	return 0;
}
HOOK_ENTRY_PROBE(__vfio_group_unset_container, group_detach)
