/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Answers a snapshot's questions about one object: its neighbours, and marks in the stream. Two
 * iterators find the roots (snapshot_roots.h): files of VFIO that a task holds, and mappings of
 * BARs. From there, user space asks about one object after the other by running a step program with
 * a question and a pointer (BPF_PROG_TEST_RUN of a raw tracepoint, 5.10 and later). So no program
 * needs a loop that the verifier of 5.10 cannot follow, and a walk over 65,535 mappings is divided
 * into steps. Answers go through the ring like all records, which orders them among the events.
 */
#pragma once
#include "snapshot_roots.h"
#include "snapshot_walk.h"

/*
 * How many groups of a container, or devices of a group, are followed: on 5.10, and on later
 * kernels, which have bpf_loop.
 */
#define BOUNDED_LIST 64
#define MAX_LIST 4096

struct list_walk {
	struct list_head *head;
	struct list_head *at;
};

static __always_inline void emit_mark(uint32_t type, uint64_t *arg, bool probed)
{
	struct vfio_iommu *iommu = (void *)arg[1];

	EMIT (type, vs_snap_mark, r) {
		r->object = arg[1];
		r->value = arg[2];
		r->flags = arg[3];
		if (type == VS_SNAP_WALK_END)
			r->available = READ_VFIO(probed, iommu, dma_avail, OFF_IOMMU_AVAIL);
	}
}

static __always_inline void emit_snap_device(struct vfio_device *device, bool probed)
{
	struct vfio_group *group = READ_VFIO(probed, device, group, OFF_DEVICE_GROUP);
	struct iommu_group *iommu_group =
		READ_VFIO(probed, group, iommu_group, OFF_GROUP_IOMMU_GROUP);
	struct pci_dev *pdev = pci_of_vfio(device, probed);
	/* vfio_pci_core_device begins with its vfio_device; on 5.10 it is the device's data. */
	struct vfio_pci_core_device *vdev = (void *)device;
	int refcnt = 0;

	if (probed && pdev) {
		bpf_probe_read_kernel(&vdev, sizeof(vdev), (char *)device + OFF_DEVICE_DATA);
		bpf_probe_read_kernel(&refcnt, sizeof(refcnt), (char *)vdev + OFF_PCI_REFCNT);
	}
	EMIT (VS_SNAP_DEVICE, vs_snap_device, r) {
		r->device = (uint64_t)device;
		r->group = (uint64_t)group;
		r->pci = pdev ? pci_address(pdev) : VS_NO_PCI;
		r->number = group_number(iommu_group);
		r->open_count =
			probed ? (uint32_t)refcnt : READ_VFIO(probed, device, open_count, 0);
		if (pdev && r->open_count)
			r->command = user_command(vdev, probed);
		if (pdev)
			r->power = READ(pdev, current_state);
		r->flags = device_flags(device, probed);
	}
}

static __always_inline void emit_snap_group(struct vfio_group *group, bool probed)
{
	struct iommu_group *iommu_group =
		READ_VFIO(probed, group, iommu_group, OFF_GROUP_IOMMU_GROUP);

	EMIT (VS_SNAP_GROUP, vs_group, r) {
		r->group = (uint64_t)group;
		r->container = (uint64_t)READ_VFIO(probed, group, container, OFF_GROUP_CONTAINER);
		r->number = group_number(iommu_group);
	}
}

/*
 * Each of these emits one entry of a list and returns the next. The ones for 5.10 are global (not
 * static), so that the verifier checks them once and not in each round of the loop that calls them.
 */
static __always_inline struct list_head *emit_device_entry(struct list_head *entry, bool probed)
{
	emit_snap_device((void *)entry -
				 (probed ? OFF_DEVICE_GROUP_NEXT
					 : bpf_core_field_offset(struct vfio_device, group_next)),
			 probed);
	return READ(entry, next);
}

__noinline uint64_t emit_device_entry_probed(uint64_t entry)
{
	return (uint64_t)emit_device_entry((void *)entry, true);
}

static long emit_next_device(uint32_t index, void *data)
{
	struct list_walk *walk = data;

	if (!walk->at || walk->at == walk->head)
		return 1;
	walk->at = emit_device_entry(walk->at, false);
	return 0;
}

static __always_inline void step_group(struct vfio_group *group, bool probed)
{
	struct list_head *head =
		probed ? (void *)group + OFF_GROUP_DEVICES
		       : (void *)group + bpf_core_field_offset(struct vfio_group, device_list);
	struct list_walk walk = { .head = head, .at = READ(head, next) };

	emit_snap_group(group, probed);
	if (probed) {
		for (int i = 0; i < BOUNDED_LIST && walk.at && walk.at != head; i++)
			walk.at = (void *)emit_device_entry_probed((uint64_t)walk.at);
	} else {
		bpf_loop(MAX_LIST, emit_next_device, &walk, 0);
	}
}

static __always_inline struct list_head *emit_group_entry(struct list_head *entry, bool probed)
{
	emit_snap_group((void *)entry -
				(probed ? OFF_GROUP_CONTAINER_NEXT
					: bpf_core_field_offset(struct vfio_group, container_next)),
			probed);
	return READ(entry, next);
}

__noinline uint64_t emit_group_entry_probed(uint64_t entry)
{
	return (uint64_t)emit_group_entry((void *)entry, true);
}

static long emit_next_group(uint32_t index, void *data)
{
	struct list_walk *walk = data;

	if (!walk->at || walk->at == walk->head)
		return 1;
	walk->at = emit_group_entry(walk->at, false);
	return 0;
}

static __always_inline void step_container(struct vfio_container *container, bool probed)
{
	struct list_head *head =
		probed ? (void *)container + OFF_CONTAINER_GROUPS
		       : (void *)container +
				 bpf_core_field_offset(struct vfio_container, group_list);
	struct list_walk walk = { .head = head, .at = READ(head, next) };
	struct vfio_iommu_driver *driver =
		READ_VFIO(probed, container, iommu_driver, OFF_CONTAINER_DRIVER);
	struct vfio_iommu *iommu = READ_VFIO(probed, container, iommu_data, OFF_CONTAINER_IOMMU);
	char name[20] = {};

	if (driver) {
		struct vfio_iommu_driver_ops *ops = READ_VFIO(probed, driver, ops, 0);

		bpf_probe_read_kernel_str(name, sizeof(name), READ_VFIO(probed, ops, name, 0));
	}
	/* Only for "vfio-iommu-type1": another driver's data has another layout. */
	if (name[5] != 'i' || name[11] != 't' || name[15] != '1')
		iommu = 0;
	EMIT (VS_SNAP_CONTAINER, vs_snap_container, r) {
		r->container = (uint64_t)container;
		r->iommu = (uint64_t)iommu;
		if (iommu) {
			r->available = READ_VFIO(probed, iommu, dma_avail, OFF_IOMMU_AVAIL);
			r->type = READ_VFIO(probed, iommu, v2, OFF_IOMMU_V2) ? VFIO_TYPE1v2_IOMMU
									     : VFIO_TYPE1_IOMMU;
		}
	}
	if (probed) {
		for (int i = 0; i < BOUNDED_LIST && walk.at && walk.at != head; i++)
			walk.at = (void *)emit_group_entry_probed((uint64_t)walk.at);
	} else {
		bpf_loop(MAX_LIST, emit_next_group, &walk, 0);
	}
}

static __always_inline void snapshot_step(uint64_t *arg, bool probed)
{
	switch (arg[0]) {
	case VS_ASK_BEGIN:
		emit_mark(VS_SNAP_BEGIN, arg, probed);
		break;
	case VS_ASK_END:
		emit_mark(VS_SNAP_END, arg, probed);
		break;
	case VS_ASK_WALK_BEGIN:
		emit_mark(VS_SNAP_WALK_BEGIN, arg, probed);
		break;
	case VS_ASK_WALK_END:
		emit_mark(VS_SNAP_WALK_END, arg, probed);
		break;
	case VS_ASK_DEVICE:
		emit_snap_device((void *)arg[1], probed);
		break;
	case VS_ASK_GROUP:
		step_group((void *)arg[1], probed);
		break;
	case VS_ASK_CONTAINER:
		step_container((void *)arg[1], probed);
		break;
	case VS_ASK_TABLE:
		step_table((void *)arg[1], probed);
		break;
	}
}

static __always_inline void copy_args(struct bpf_raw_tracepoint_args *ctx, uint64_t *arg)
{
	for (int i = 0; i < 4; i++)
		arg[i] = ctx->args[i];
}

#define STEP(name, probed)                                                                         \
	SEC("raw_tp") int step_##name(struct bpf_raw_tracepoint_args *ctx)                         \
	{                                                                                          \
		uint64_t arg[4];                                                                   \
		copy_args(ctx, arg);                                                               \
		snapshot_step(arg, probed);                                                        \
		return 0;                                                                          \
	}                                                                                          \
	SEC("raw_tp") int walk_##name(struct bpf_raw_tracepoint_args *ctx)                         \
	{                                                                                          \
		uint64_t arg[4];                                                                   \
		copy_args(ctx, arg);                                                               \
		step_walk(arg, probed);                                                            \
		return 0;                                                                          \
	}

STEP(btf, false)
STEP(offsets, true)
