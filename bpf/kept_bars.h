/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Areas of BARs that a process keeps where the kernel's zap does not reach them.
 *
 * Up to 6.9 vfio-pci takes a BAR away from CPUs by way of a list: the fault that fills an area puts
 * it there (vfio_pci_mmap_fault). A copy of an area, by fork or mremap, is filled without a fault:
 * vm_ops->open zaps it, but where that comes before the page table is copied (since "fork: defer
 * linking file vma until vma is fully initialized", which stable kernels have as well), the copy
 * has its pages all the same and is not on the list. /proc/PID/pagemap tells nothing of it, because
 * it leaves VM_PFNMAP areas out: so the page table itself is looked at.
 */
#pragma once
#include "snapshot_roots.h"

/* How far the list is followed. A longer one says nothing of an area that was not met by then. */
#define MAX_LISTED_AREAS 4096

/*
 * Where the kernel maps physical address 0, and how many levels a process's page table has: 0 when
 * that is not known. x86-64.
 */
const volatile uint64_t direct_map;
const volatile int32_t page_table_levels;

#define ENTRY_PRESENT 1ULL
#define ENTRY_LARGE 0x80ULL
#define ENTRY_ADDRESS 0x000ffffffffff000ULL

/*
 * The physical address that a CPU reaches at the beginning of an area; 0 when its page table has
 * nothing there.
 */
static __always_inline uint64_t page_in_table(struct mm_struct *mm, uint64_t vaddr)
{
	uint64_t table = (uint64_t)READ(mm, pgd);

#pragma unroll
	for (int level = 5; level > 0; level--) {
		uint64_t shift = 12 + 9 * (level - 1);
		uint64_t within = (1ULL << shift) - 1;
		uint64_t entry = 0;

		if (level > page_table_levels)
			continue;
		if (bpf_probe_read_kernel(
			    &entry, sizeof(entry),
			    (void *)(table + (vaddr >> shift & 511) * sizeof(entry))) ||
		    !(entry & ENTRY_PRESENT))
			return 0;
		if (level == 1 || (level <= 3 && entry & ENTRY_LARGE))
			return (entry & ENTRY_ADDRESS & ~within) | (vaddr & within);
		table = direct_map + (entry & ENTRY_ADDRESS);
	}
	return 0;
}

struct list_search {
	struct vm_area_struct *wanted;
	struct list_head *head;
	struct list_head *at;
	bool ended; /* all of it was seen: `wanted` is not there */
};

static long search_on(uint32_t index, void *data)
{
	struct list_search *search = data;
	struct list_head *at = search->at;
	struct vfio_pci_mmap_vma *entry;

	/* Torn: the list changed under the search, which nothing locks. */
	if (!at)
		return 1;
	if (at == search->head) {
		search->ended = true;
		return 1;
	}
	entry = (void *)at - bpf_core_field_offset(struct vfio_pci_mmap_vma, vma_next);
	if (READ(entry, vma) == search->wanted)
		return 1;
	search->at = READ(at, next);
	return 0;
}

static __always_inline bool zap_misses(struct vfio_pci_core_device *vdev,
				       struct vm_area_struct *vma)
{
	struct list_head *head =
		(void *)vdev + bpf_core_field_offset(struct vfio_pci_core_device, vma_list);
	struct list_search search = { .wanted = vma, .head = head, .at = READ(head, next) };

	bpf_loop(MAX_LISTED_AREAS, search_on, &search, 0);
	return search.ended;
}

/*
 * Run by user space, twice, because one look can meet an area half way: a zap takes it off the list
 * before it takes its pages away, and a fault fills it before it puts it there. The iterator holds
 * the mm's lock for reading, as those do.
 */
SEC("iter/task_vma") int find_kept_bars(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct vfio_pci_core_device *vdev;
	struct vfio_device *device;
	struct pci_dev *pdev;
	struct file *file;
	uint64_t phys, vaddr;

	if (!task || !vma || !page_table_levels)
		return 0;
	file = READ(vma, vm_file);
	if (!file || !is_vfio_device_file(file))
		return 0;
	device = device_of_file(file);
	/*
	 * As vfio_pci_core_mmap leaves it: another driver's own mmap may keep something else there.
	 */
	if (!device || READ(vma, vm_private_data) != device)
		return 0;
	pdev = pci_of_vfio(device, false);
	if (!pdev)
		return 0;
	vdev = (void *)device;
	vaddr = READ(vma, vm_start);
	phys = bar_area_address(vma, pdev, false);
	if (!phys || page_in_table(READ(task, mm), vaddr) != phys || !zap_misses(vdev, vma))
		return 0;
	EMIT (VS_KEPT_BAR, vs_kept_bar, r) {
		fill_holder(&r->h, task);
		r->h.tid = 0; /* none of its threads does anything just now */
		r->pci = pci_address(pdev);
		r->phys = phys;
		r->size = READ(vma, vm_end) - vaddr;
		r->action = VS_KEPT;
	}
	return 0;
}

/* vm_ops->open of an area: a fork, an mremap or a split is under way. */
SEC("fentry/vfio_pci_mmap_open") int fentry_vfio_pci_mmap_open(uint64_t *ctx)
{
	struct vm_area_struct *vma = (void *)ctx[0];
	struct vfio_device *device = READ(vma, vm_private_data);
	struct pci_dev *pdev = pci_of_vfio(device, false);

	EMIT (VS_KEPT_BAR, vs_kept_bar, r) {
		r->pci = pdev ? pci_address(pdev) : VS_NO_PCI;
		r->action = VS_COPIED;
	}
	return 0;
}
