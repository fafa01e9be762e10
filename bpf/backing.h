/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Finds the file, and the offset in it, that back shared memory at an address of the current
 * process. All shared memory has a file: for memfd and MAP_SHARED | MAP_ANONYMOUS it is an internal
 * one of shmem's. Private memory has nothing by which two processes' mappings could be matched.
 */
#pragma once
#include "emit.h"

#define VM_SHARED 8   /* include/linux/mm.h */
#define TREE_DEPTH 40 /* a tree of 65,530 areas (the default limit) has at most 32 levels */
/* "dev/zero" and "memfd:" as little-endian words: the names of shmem's internal files */
#define NAME_ANONYMOUS 0x6f72657a2f766564ULL
#define NAME_MEMFD 0x00003a64666d656dULL
#define NAME_MEMFD_PREFIX 0x0000ffffffffffffULL

struct backing {
	uint64_t vaddr; /* set by the caller; the rest is the answer */
	uint64_t inode;
	uint64_t offset;
	uint32_t device;
	uint32_t kind; /* enum vs_backing, 0 for none */
};

static __always_inline void read_backing(struct vm_area_struct *vma, struct backing *backing)
{
	struct file *file = READ(vma, vm_file);
	char name[8] __attribute__((aligned(8))) = {};
	struct super_block *super;
	struct dentry *dentry;
	struct inode *inode;
	uint64_t word;

	if (!file || !bpf_core_field_exists(vma->vm_flags) || !(READ(vma, vm_flags) & VM_SHARED))
		return;
	inode = READ(file, f_inode);
	super = READ(inode, i_sb);
	dentry = READ(file, f_path.dentry);
	bpf_probe_read_kernel(name, sizeof(name), READ(dentry, d_name.name));
	word = *(uint64_t *)name;
	backing->inode = READ(inode, i_ino);
	backing->device = READ(super, s_dev);
	backing->offset =
		(READ(vma, vm_pgoff) << page_shift) + (backing->vaddr - READ(vma, vm_start));
	backing->kind = word == NAME_ANONYMOUS			   ? VS_BACKING_ANONYMOUS
			: (word & NAME_MEMFD_PREFIX) == NAME_MEMFD ? VS_BACKING_MEMFD
								   : VS_BACKING_FILE;
}

static long area_found(struct task_struct *task, struct vm_area_struct *vma,
		       struct backing *backing)
{
	/*
	 * Private memory, the common case, costs one direct load: the verifier knows the type of
	 * `vma` here.
	 */
	if (bpf_core_field_exists(vma->vm_flags) && vma->vm_flags & VM_SHARED)
		read_backing(vma, backing);
	return 0;
}

/*
 * For kernels before bpf_find_vma (5.17): descends the process's tree of areas without its lock.
 * The area was there a moment ago, because the kernel has just pinned its pages for this thread.
 */
static __always_inline void find_backing_in_tree(struct backing *backing)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = READ(task, mm);
	struct rb_node *node;

	if (!mm || !bpf_core_field_exists(mm->mm_rb))
		return;
	node = READ(mm, mm_rb.rb_node);
	for (int depth = 0; depth < TREE_DEPTH && node; depth++) {
		struct vm_area_struct *vma =
			(void *)node - bpf_core_field_offset(struct vm_area_struct, vm_rb);

		if (READ(vma, vm_end) <= backing->vaddr) {
			node = READ(node, rb_right);
		} else if (READ(vma, vm_start) > backing->vaddr) {
			node = READ(node, rb_left);
		} else {
			read_backing(vma, backing);
			break;
		}
	}
}

static __always_inline void find_backing(struct backing *backing, bool probed)
{
	if (probed)
		find_backing_in_tree(backing);
	else
		bpf_find_vma(bpf_get_current_task_btf(), backing->vaddr, area_found, backing, 0);
}
