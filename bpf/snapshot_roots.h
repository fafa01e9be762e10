/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Finds a snapshot's roots: files of VFIO that a task holds by a descriptor or by a mapping of a
 * BAR, and devices whose sysfs directory the tool itself has opened. The latter covers devices
 * whose descriptor no task holds, because it is in flight between processes or kept by the kernel.
 */
#pragma once
#include "backing.h"
#include "hooks/device.h"
#include <linux/magic.h>
#include <linux/major.h>
#include <linux/stat.h>

/*
 * VFIO's files are recognised by device number or name, which needs no search of kallsyms.
 * /dev/vfio/vfio is always misc device 196 (VFIO_MINOR, include/linux/miscdevice.h); a dev_t is
 * major << 20 | minor.
 */
#define VFIO_MINOR 196
#define VFIO_CONTAINER_RDEV (MISC_MAJOR << 20 | VFIO_MINOR)
/* "[vfio-device]" as two little-endian words */
#define VFIO_DEVICE_NAME_0 0x65642d6f6966765bULL
#define VFIO_DEVICE_NAME_8 0x0000005d65636976ULL
/* The major numbers of VFIO groups and of devices' own nodes (6.6), from /proc/devices. */
const volatile uint32_t group_major;
const volatile uint32_t node_major;

static __always_inline void fill_holder(struct vs_header *h, struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);

	h->tgid = READ(task, tgid);
	h->tid = READ(task, pid);
	h->start = READ(leader, start_boottime);
	h->cgroup = 0;
	h->uid = 0xffffffff;
	bpf_probe_read_kernel(h->comm, sizeof(h->comm), &leader->comm);
}

/*
 * `inode` is a directory that the tool has open: that of a PCI device bound to one of VFIO's
 * drivers. The driver's data is a vfio_device, or begins with one (from 5.15 on).
 */
static __always_inline void emit_found(struct inode *inode)
{
	struct super_block *super = READ(inode, i_sb);
	struct kernfs_node *node = READ(inode, i_private);
	struct device *dev, *back = 0;
	struct vfio_device *device;

	if (READ(super, s_magic) != SYSFS_MAGIC || !node)
		return;
	dev = (void *)READ(node, priv) - bpf_core_field_offset(struct device, kobj);
	device = READ(dev, driver_data);
	if (!device || !pci_of_device(dev))
		return;
	/* Check: a driver may keep something else there. */
	if (bpf_core_type_exists(struct vfio_device))
		back = READ(device, dev);
	else
		bpf_probe_read_kernel(&back, sizeof(back), (char *)device + OFF_DEVICE_DEV);
	if (back != dev)
		return;
	EMIT (VS_SNAP_ROOT, vs_snap_root, r) {
		r->object = (uint64_t)device;
		r->kind = VS_ROOT_FOUND;
	}
}

/*
 * Whether this is the file of a device opened through its group. Such a file, which backs mappings
 * of BARs too, is an anonymous inode with this name.
 */
static __always_inline bool is_vfio_device_file(struct file *file)
{
	struct dentry *dentry = READ(file, f_path.dentry);
	char name[16] __attribute__((aligned(8))) = {};

	bpf_probe_read_kernel_str(name, sizeof(name), READ(dentry, d_name.name));
	return *(uint64_t *)name == VFIO_DEVICE_NAME_0 &&
	       *(uint64_t *)(name + 8) == VFIO_DEVICE_NAME_8;
}

/* NULL for a device node (cdev) that was opened but never bound to an iommufd. */
static __always_inline struct vfio_device *device_of_file(struct file *file)
{
	void *private_data = READ(file, private_data);

	if (private_data && bpf_core_type_exists(struct vfio_device_file)) {
		struct vfio_device_file *df = private_data;

		return READ(df, access_granted) ? READ(df, device) : 0;
	}
	return private_data;
}

static __always_inline void emit_root(struct task_struct *task, struct file *file,
				      uint32_t by_mapping)
{
	struct inode *inode = READ(file, f_inode);
	void *private_data = READ(file, private_data);
	uint32_t kind = 0;

	if (!inode)
		return;
	if ((READ(inode, i_mode) & S_IFMT) == S_IFDIR) {
		if (READ(task, tgid) == bpf_get_current_pid_tgid() >> 32)
			emit_found(inode);
		return;
	}
	if (!private_data)
		return;
	if ((READ(inode, i_mode) & S_IFMT) == S_IFCHR) {
		uint32_t device = READ(inode, i_rdev);

		if (device == VFIO_CONTAINER_RDEV)
			kind = VS_ROOT_CONTAINER;
		else if (group_major && device >> 20 == group_major)
			kind = VS_ROOT_GROUP;
		if (node_major && device >> 20 == node_major) {
			kind = VS_ROOT_DEVICE;
			private_data = device_of_file(file);
		}
	} else if (is_vfio_device_file(file)) {
		kind = VS_ROOT_DEVICE;
		private_data = device_of_file(file);
	}
	if (!kind || !private_data)
		return;
	EMIT (VS_SNAP_ROOT, vs_snap_root, r) {
		fill_holder(&r->h, task);
		r->object = (uint64_t)private_data;
		r->file = (uint64_t)file;
		r->kind = kind;
		r->by_mapping = by_mapping;
	}
}

SEC("iter/task_file") int snapshot_files(struct bpf_iter__task_file *ctx)
{
	/* Read once: the verifier applies a null check only to the register that was checked. */
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (task && file)
		emit_root(task, file, 0);
	return 0;
}

/* 5.12 and later: a BAR mapping keeps a device open even if all its descriptors are closed. */
SEC("iter/task_vma") int snapshot_mappings(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct file *file;

	if (!task || !vma)
		return 0;
	file = READ(vma, vm_file);
	if (file)
		emit_root(task, file, 1);
	return 0;
}

/* For snapshot_area: the process and the address to search. */
struct wanted_area {
	uint64_t address;
	uint64_t tgid;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct wanted_area);
} wanted_area SEC(".maps");

/*
 * Replaces snapshot_mappings before 5.12: user space has found the process and the address in
 * /proc/PID/maps, and this finds the file.
 */
SEC("iter/task") int snapshot_area(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	uint32_t zero = 0;
	struct wanted_area *wanted = bpf_map_lookup_elem(&wanted_area, &zero);
	struct mm_struct *mm;
	struct rb_node *node;

	if (!task || !wanted || (uint32_t)READ(task, pid) != wanted->tgid)
		return 0;
	mm = READ(task, mm);
	if (!mm)
		return 0;
	node = READ(mm, mm_rb.rb_node);
	for (int depth = 0; depth < TREE_DEPTH && node; depth++) {
		struct vm_area_struct *vma =
			(void *)node - bpf_core_field_offset(struct vm_area_struct, vm_rb);

		if (READ(vma, vm_end) <= wanted->address) {
			node = READ(node, rb_right);
		} else if (READ(vma, vm_start) > wanted->address) {
			node = READ(node, rb_left);
		} else {
			struct file *file = READ(vma, vm_file);

			if (file)
				emit_root(task, file, 1);
			break;
		}
	}
	return 0;
}
