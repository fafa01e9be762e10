/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which memory lies at an address of the current process, where that is shared: the file that keeps it and the place in it. All shared
 * memory has a file, if only one of shmem's own (memfd, MAP_SHARED | MAP_ANONYMOUS). Private memory has no name that another process could know.
 */
#pragma once
#include "emit.h"

#define VM_SHARED 8
#define TREE_DEPTH 40 /* of 65,530 areas, at most 32 */
/* "dev/zero" and "memfd:", as little-endian words: what shmem calls its own */
#define NAME_ANONYMOUS 0x6f72657a2f766564ULL
#define NAME_MEMFD 0x00003a64666d656dULL
#define NAME_MEMFD_PREFIX 0x0000ffffffffffffULL

struct backing {
	uint64_t vaddr; /* asked for */
	uint64_t inode;
	uint64_t offset;
	uint32_t device;
	uint32_t kind; /* enum vs_backing, 0 for none */
};

/* A plain load where the verifier knows the type, a helper's call where it does not. */
#define LOAD(probed, ptr, field) ({ __typeof__((ptr)->field) loaded; if (probed) loaded = READ(ptr, field); else loaded = (ptr)->field; loaded; })

static __always_inline void read_backing(struct vm_area_struct *vma, struct backing *backing, bool probed)
{
	struct file *file = LOAD(probed, vma, vm_file);
	char name[8] __attribute__((aligned(8))) = {};
	struct super_block *super;
	struct dentry *dentry;
	struct inode *inode;
	uint64_t word;

	if (!file || !bpf_core_field_exists(vma->vm_flags) || !(LOAD(probed, vma, vm_flags) & VM_SHARED))
		return;
	inode = LOAD(probed, file, f_inode);
	super = LOAD(probed, inode, i_sb);
	dentry = LOAD(probed, file, f_path.dentry);
	bpf_probe_read_kernel(name, sizeof(name), LOAD(probed, dentry, d_name.name));
	word = *(uint64_t *)name;
	backing->inode = LOAD(probed, inode, i_ino);
	backing->device = LOAD(probed, super, s_dev);
	backing->offset = (LOAD(probed, vma, vm_pgoff) << page_shift) + (backing->vaddr - LOAD(probed, vma, vm_start));
	backing->kind = word == NAME_ANONYMOUS ? VS_BACKING_ANONYMOUS
			: (word & NAME_MEMFD_PREFIX) == NAME_MEMFD ? VS_BACKING_MEMFD : VS_BACKING_FILE;
}

static long area_found(struct task_struct *task, struct vm_area_struct *vma, struct backing *backing)
{
	read_backing(vma, backing, false);
	return 0;
}

/* Before bpf_find_vma (5.17): down the process's tree of areas, unlocked. The calling thread has just mapped this memory. */
static __always_inline void find_backing_in_tree(struct backing *backing)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = READ(task, mm);
	struct rb_node *node;

	if (!mm || !bpf_core_field_exists(mm->mm_rb))
		return;
	node = READ(mm, mm_rb.rb_node);
	for (int depth = 0; depth < TREE_DEPTH && node; depth++) {
		struct vm_area_struct *vma = (void *)node - bpf_core_field_offset(struct vm_area_struct, vm_rb);

		if (READ(vma, vm_end) <= backing->vaddr) {
			node = READ(node, rb_right);
		} else if (READ(vma, vm_start) > backing->vaddr) {
			node = READ(node, rb_left);
		} else {
			read_backing(vma, backing, true);
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
