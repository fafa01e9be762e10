/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel structs that the hooks read, reduced to the fields they read. CO-RE finds each field
 * in the running kernel's BTF, so neither order nor padding matters here. vfio's own structs are in
 * the BTF of its modules, which Linux 5.10 does not have: there, READ_VFIO uses a byte offset
 * instead (offsets_5_10.h). A version and commit beside a field say since when, or until when, the
 * kernel has it.
 */
#pragma once
#include "kernel_ints.h"
#include "offsets_5_10.h"
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct signal_struct {
	struct {
		int counter;
	} live;
};

struct fdtable {
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct {
	struct task_struct *group_leader;
	struct signal_struct *signal;
	struct files_struct *files;
	struct mm_struct *mm;
	char comm[16];
	uint64_t start_boottime; /* real_start_time before 5.5, cf25e24db61c */
	int pid;
	int tgid;
};

struct super_block {
	unsigned int s_dev;
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	unsigned int i_rdev;
	struct super_block *i_sb;
	void *i_private;
};

/* A file or directory of sysfs; a directory's `priv` is its kobject. */
struct kernfs_node {
	void *priv;
};

struct kobject {
	char *name;
};

struct qstr {
	char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct inode *f_inode;
	struct path f_path;
	void *private_data;
};

struct list_head {
	struct list_head *next;
};

struct rb_node {
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct vm_area_struct;

struct bpf_iter__task {
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct task_struct *task;
	struct file *file;
};

struct bpf_iter__task_vma {
	struct task_struct *task;
	struct vm_area_struct *vma;
};

/* vm_start moved into an anonymous union in 6.x, which CO-RE sees through. */
struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_pgoff;
	unsigned long vm_flags;
	struct file *vm_file;
	struct rb_node vm_rb; /* until 6.1, 524e00b36e8c */
	void *vm_private_data;
};

struct mm_struct {
	void *pgd;
	struct rb_root mm_rb; /* until 6.1 */
	struct {
		int counter;
	} mm_users;
};

struct iommu_group {
	int id;
};

struct bus_type {
	char *name;
};

struct device_driver {
	char *name;
};

struct device {
	struct kobject kobj;
	void *driver_data;
	struct bus_type *bus;
	struct device_driver *driver;
	struct iommu_group *iommu_group;
};

struct resource {
	uint64_t start;
	uint64_t end;
	unsigned long flags;
};

struct pci_sysdata {
	int domain;
};

struct pci_bus {
	void *sysdata;
	unsigned char number;
};

/* CONFIG_PCI_DOMAINS_GENERIC (arm64 and others) keeps the domain here, x86 in pci_sysdata. */
struct pci_bus___generic_domains {
	int domain_nr;
};

struct pci_dev {
	struct pci_bus *bus;
	unsigned int devfn;
	unsigned short vendor;
	unsigned short device;
	unsigned int class;
	int current_state;
	struct device dev;
	struct resource resource[7];
	unsigned int no_command_memory : 1; /* 5.10, 12856e7acde4 */
};

struct module {
	char name[56];
};

/* vfio_dma.prot, include/linux/iommu.h; VFIO_DMA_MAP_FLAG_READ and _WRITE have the same values */
#define IOMMU_READ 1
#define IOMMU_WRITE 2

/* drivers/vfio/vfio_iommu_type1.c */
struct vfio_dma {
	uint64_t iova;
	unsigned long vaddr;
	unsigned long size;
	int prot;
	bool has_rsvd; /* 6.18 */
	struct task_struct *task;
	/* 6.2 and stable kernels from 5.10 on, 18e292705ba2 */
	struct mm_struct *mm;
};

struct iommu_domain;

struct vfio_domain {
	struct iommu_domain *domain;
	struct list_head next;
};

struct vfio_iommu {
	struct rb_root dma_list;
	unsigned int dma_avail;
	bool v2;
};

struct vfio_iommu_driver_ops {
	char *name;
};

struct vfio_iommu_driver {
	struct vfio_iommu_driver_ops *ops;
};

/*
 * drivers/iommu/intel: dmar_domain; pt_iommu_vtdss with the generic page tables of 7.x (iommu_pt)
 */
struct iommu_domain {
	void *ops;
};

struct dmar_domain {
	void *pgd;
	int agaw;
	struct iommu_domain domain;
};

struct pt_common {
	unsigned long top_of_table;
};

struct pt_vtdss {
	struct pt_common common;
};

struct pt_iommu_vtdss {
	struct pt_vtdss vtdss_pt;
};

/* drivers/vfio/vfio.c (5.10), drivers/vfio/vfio.h (6.1+) */
struct vfio_container {
	struct list_head group_list;
	struct vfio_iommu_driver *iommu_driver;
	struct vfio_iommu *iommu_data;
};

struct vfio_group {
	struct iommu_group *iommu_group;
	struct vfio_container *container;
	struct list_head device_list;
	struct list_head container_next;
};

struct vfio_device {
	struct device *dev;
	struct vfio_group *group;
	unsigned int open_count; /* 5.15, 2fd585f4ed9d */
	struct list_head group_next;
	/* 6.10, b7c5e64fecfa: from then on, a BAR mapping's vm_pgoff is an offset in the region */
	void *inode;
	/* 6.2, a4d1f91db502, with CONFIG_IOMMUFD: set while the device is bound to an iommufd */
	void *iommufd_device;
	void *iommufd_access; /* the same for a device without DMA of its own */
};

/* 6.6, b1a3b5c61da4: file->private_data points to it; before, it pointed to the vfio_device */
struct vfio_device_file {
	struct vfio_device *device;
	uint8_t access_granted;
};

struct vfio_pci_core_device {
	struct pci_dev *pdev;
	uint8_t *vconfig;
	struct list_head dmabufs; /* 6.19 */
	/* until 6.10, aac6db75a9fc: the areas of its BARs that a zap visits */
	struct list_head vma_list;
};

struct vfio_pci_mmap_vma {
	struct vm_area_struct *vma;
	struct list_head vma_next;
};

/* drivers/vfio/pci/vfio_pci_dmabuf.c, 6.19 and later */
struct phys_vec {
	uint64_t paddr;
	unsigned long len;
};

struct vfio_pci_dma_buf {
	struct vfio_pci_core_device *vdev;
	unsigned long size;
	struct phys_vec *phys_vec;
	uint32_t nr_ranges;
	uint8_t revoked : 1;
};

struct dma_buf {
	void *priv;
};

#pragma clang attribute pop

/*
 * LOAD_VFIO and READ_VFIO read one field of a vfio struct. `probed` is a compile-time constant that
 * is true in programs for kernels without module BTF; the branch not taken leaves no CO-RE
 * relocation behind, so a type that is missing there cannot fail the load. LOAD_VFIO compiles to a
 * direct load instead of a helper call; it needs a pointer whose type the verifier knows, that is,
 * an argument of the function to which fentry or fexit attaches.
 */
#define LOAD_VFIO(probed, ptr, field, offset)                                                      \
	({                                                                                         \
		__typeof__((ptr)->field) value = 0;                                                \
		if (probed)                                                                        \
			bpf_probe_read_kernel(&value, sizeof(value),                               \
					      (const char *)(ptr) + (offset));                     \
		else                                                                               \
			value = (ptr)->field;                                                      \
		value;                                                                             \
	})

#define READ_VFIO(probed, ptr, field, offset)                                                      \
	({                                                                                         \
		__typeof__((ptr)->field) value = 0;                                                \
		if (probed)                                                                        \
			bpf_probe_read_kernel(&value, sizeof(value),                               \
					      (const char *)(ptr) + (offset));                     \
		else                                                                               \
			bpf_core_read(&value, sizeof(value), &(ptr)->field);                       \
		value;                                                                             \
	})

#define READ(ptr, field)                                                                           \
	({                                                                                         \
		__typeof__((ptr)->field) value = 0;                                                \
		bpf_core_read(&value, sizeof(value), &(ptr)->field);                               \
		value;                                                                             \
	})
