/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hooks on devices: descriptors opened and released, a device's first open and last close, and BARs
 * mapped into a process.
 */
#pragma once
#include "hook.h"
#include "hooks/group.h"
#include "pci.h"

#define NOT_KNOWN 0xffffffff

static __always_inline struct pci_dev *pci_of_vfio(struct vfio_device *device, bool probed)
{
	struct device *dev = READ_VFIO(probed, device, dev, OFF_DEVICE_DEV);

	return dev ? pci_of_device(dev) : 0;
}

/* vs_device_flags of an open device. */
static __always_inline uint32_t device_flags(struct vfio_device *device, bool probed)
{
	bool bound = false;

	if (!probed && bpf_core_field_exists(device->iommufd_device))
		bound = READ(device, iommufd_device);
	if (!probed && bpf_core_field_exists(device->iommufd_access))
		bound = bound || READ(device, iommufd_access);
	return bound ? VS_DEVICE_IOMMUFD : 0;
}

static __always_inline void emit_device(uint32_t type, struct vfio_device *device,
					uint32_t open_count, uint32_t command, bool probed)
{
	struct vfio_group *group = READ_VFIO(probed, device, group, OFF_DEVICE_GROUP);
	struct iommu_group *iommu_group =
		READ_VFIO(probed, group, iommu_group, OFF_GROUP_IOMMU_GROUP);
	struct pci_dev *pdev = pci_of_vfio(device, probed);

	EMIT (type, vs_device, r) {
		r->device = (uint64_t)device;
		r->pci = pdev ? pci_address(pdev) : VS_NO_PCI;
		r->number = group_number(iommu_group);
		r->open_count = open_count;
		r->command = command;
		r->flags = type == VS_DEVICE_OPEN ? device_flags(device, probed) : 0;
	}
}

/* 6.6 and later: called for each descriptor, opened through the group or the device's own node. */
static __always_inline void device_open(uint64_t *arg, long ret, bool probed)
{
	struct vfio_device_file *df = (void *)arg[0];
	struct vfio_device *device;

	if ((int)ret)
		return;
	device = READ(df, device);
	mark_owner();
	emit_device(VS_DEVICE_OPEN, device, READ(device, open_count), 0, probed);
}
HOOK_EXIT_BTF(vfio_df_open, device_open)

static __always_inline struct file *file_of_descriptor(uint32_t fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct files_struct *files = READ(task, files);
	struct fdtable *table = READ(files, fdt);
	struct file **slots = READ(table, fd);
	struct file *file = 0;

	bpf_probe_read_kernel(&file, sizeof(file), slots + fd);
	return file;
}

/*
 * Before 6.6, GET_DEVICE_FD is inlined into the group's ioctl, which returns the new descriptor;
 * before 5.19, so is SET_CONTAINER.
 */
static __always_inline void group_ioctl(uint64_t *arg, long ret, bool probed)
{
	uint32_t cmd = arg[1];

	if (cmd == VFIO_GROUP_GET_DEVICE_FD && ret >= 0) {
		struct file *file = file_of_descriptor(ret);
		struct vfio_device *device;

		if (!file) {
			count_failure(VS_DEVICE_OPEN);
			return;
		}
		device = READ(file, private_data);
		mark_owner();
		emit_device(VS_DEVICE_OPEN, device,
			    probed ? NOT_KNOWN : READ_VFIO(probed, device, open_count, 0), 0,
			    probed);
	} else if (probed && cmd == VFIO_GROUP_SET_CONTAINER && ret == 0) {
		struct file *file = (void *)arg[0];
		struct vfio_group *group = READ(file, private_data);

		emit_group(VS_GROUP_ATTACH, group,
			   (uint64_t)READ_VFIO(probed, group, container, OFF_GROUP_CONTAINER),
			   probed);
	}
}
HOOK_EXIT(vfio_group_fops_unl_ioctl, HOOK_GROUP_IOCTL, VS_DEVICE_OPEN, group_ioctl)

/*
 * Runs at the last fput of a descriptor's file: a duplicate, a descriptor passed to another process
 * or a mapping of a BAR delays it.
 */
static __always_inline void device_close(uint64_t *arg, bool probed)
{
	struct file *file = (void *)arg[1];
	void *private_data = READ(file, private_data);
	struct vfio_device *device = private_data;
	uint32_t count = NOT_KNOWN;

	if (!probed && bpf_core_type_exists(struct vfio_device_file)) {
		struct vfio_device_file *df = private_data;

		/* A device node that was never bound to an iommufd has not opened the device. */
		if (!READ(df, access_granted))
			return;
		device = READ(df, device);
	}
	if (!probed) {
		count = READ(device, open_count);
		count = count ? count - 1 : 0;
	}
	emit_device(VS_DEVICE_CLOSE, device, count, 0, probed);
}
HOOK_ENTRY(vfio_device_fops_release, device_close)

/*
 * COMMAND as the user sees it; the memory bit counts as set for virtual functions, as the kernel
 * treats it.
 */
static __always_inline uint32_t user_command(struct vfio_pci_core_device *vdev, bool probed)
{
	uint8_t *vconfig = READ_VFIO(probed, vdev, vconfig, OFF_PCI_VCONFIG);
	uint16_t command = 0;

	bpf_probe_read_kernel(&command, sizeof(command), vconfig + PCI_COMMAND);
	return has_memory_enable(READ_VFIO(probed, vdev, pdev, OFF_PCI_PDEV))
		       ? command
		       : command | PCI_COMMAND_MEMORY;
}

static __always_inline void emit_pci_device(uint32_t type, struct vfio_pci_core_device *vdev,
					    struct vfio_device *device, uint32_t open_count,
					    uint32_t command, bool probed)
{
	struct pci_dev *pdev = READ_VFIO(probed, vdev, pdev, OFF_PCI_PDEV);
	struct iommu_group *group = READ(pdev, dev.iommu_group);

	EMIT (type, vs_device, r) {
		r->device = (uint64_t)device;
		r->pci = pci_address(pdev);
		r->number = group_number(group);
		r->open_count = open_count;
		r->command = command;
	}
}

/*
 * The first open, of vfio-pci and every variant driver. vfio_pci_core_device begins with its
 * vfio_device.
 */
static __always_inline void device_enable(uint64_t *arg, long ret, bool probed)
{
	struct vfio_pci_core_device *vdev = (void *)arg[0];

	if ((int)ret)
		return;
	if (probed) {
		int refcnt = 0;

		/* 5.10's vfio_pci_open runs for each descriptor, not only for the first. */
		bpf_probe_read_kernel(&refcnt, sizeof(refcnt), (char *)vdev + OFF_PCI_REFCNT);
		if (refcnt != 1)
			return;
	}
	emit_pci_device(VS_DEVICE_ENABLE, vdev, (void *)vdev, 1, user_command(vdev, probed),
			probed);
}
HOOK_EXIT_BTF(vfio_pci_core_enable, device_enable)
HOOK_EXIT_PROBE(vfio_pci_open, HOOK_DEVICE_ENABLE, VS_DEVICE_ENABLE, device_enable)

/* The last close, after the reset that it includes. */
static __always_inline void device_disable(uint64_t *arg, long ret, bool probed)
{
	emit_pci_device(VS_DEVICE_DISABLE, (void *)arg[0], (void *)arg[0], 0, 0, probed);
}
HOOK_EXIT_BTF(vfio_pci_core_close_device, device_disable)
HOOK_EXIT_PROBE(vfio_pci_disable, HOOK_DEVICE_DISABLE, VS_DEVICE_DISABLE, device_disable)

#define VFIO_PCI_PGOFF_REGION_SHIFT 28 /* VFIO_PCI_OFFSET_SHIFT (40) in pages */

/* The physical address at which an area of a BAR begins; 0 when unknown. */
static __always_inline uint64_t bar_area_address(struct vm_area_struct *vma, struct pci_dev *pdev,
						 bool probed)
{
	uint64_t pgoff = READ(vma, vm_pgoff);
	struct vfio_device *device = 0;

	if (!probed && bpf_core_field_exists(device->inode)) {
		struct resource *resource = &pdev->resource[0];
		uint64_t region = pgoff >> VFIO_PCI_PGOFF_REGION_SHIFT;
		uint64_t offset = pgoff & ((1ULL << VFIO_PCI_PGOFF_REGION_SHIFT) - 1);

		if (region >= VS_BARS)
			return 0;
		resource = (void *)resource + region * bpf_core_type_size(struct resource);
		return READ(resource, start) + (offset << page_shift);
	}
	return pgoff << page_shift; /* up to 6.9 the driver sets vm_pgoff to the physical page */
}

static __always_inline void bar_mmap(uint64_t *arg, long ret, bool probed)
{
	struct vfio_pci_core_device *vdev = (void *)arg[0];
	struct vm_area_struct *vma = (void *)arg[1];
	struct pci_dev *pdev = READ_VFIO(probed, vdev, pdev, OFF_PCI_PDEV);

	if ((int)ret)
		return;
	EMIT (VS_BAR_MMAP, vs_bar_mmap, r) {
		r->pci = pci_address(pdev);
		r->vaddr = READ(vma, vm_start);
		r->size = READ(vma, vm_end) - r->vaddr;
		r->phys = bar_area_address(vma, pdev, probed);
	}
}
HOOK_EXIT_BTF(vfio_pci_core_mmap, bar_mmap)
HOOK_EXIT_PROBE(vfio_pci_mmap, HOOK_MMAP, VS_BAR_MMAP, bar_mmap)
