/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Finds areas of BARs that a process keeps because the kernel's zap does not reach them.
 *
 * Up to 6.9, vfio-pci revokes CPU access to BARs through a list of areas, and an area is put on the
 * list by the page fault that fills it (vfio_pci_mmap_fault). A copy made by fork or mremap is
 * filled without a fault. vm_ops->open zaps the copy; but since "fork: defer linking file vma until
 * vma is fully initialized" (also in stable kernels) it runs before the page table is copied. The
 * copy then has its pages and is not on the list. /proc/PID/pagemap does not show such pages, as it
 * skips VM_PFNMAP areas, so this program reads the page table itself.
 */
#pragma once
#include "snapshot_roots.h"

/*
 * Entries of the list that are followed. If it is longer, an area not met by then is not reported.
 */
#define MAX_LISTED_AREAS 4096

/*
 * Where the kernel maps physical address 0, and how many levels a process's page table has; 0 when
 * unknown. x86-64 only, as are the bits below.
 */
const volatile uint64_t direct_map;
const volatile int32_t page_table_levels;

#define ENTRY_PRESENT 1ULL
#define ENTRY_LARGE 0x80ULL
#define ENTRY_ADDRESS 0x000ffffffffff000ULL

/*
 * The physical address to which the page table of `mm` maps `vaddr`; 0 when it maps nothing there.
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
	bool ended; /* the whole list was seen: `wanted` is not on it */
};

static long search_on(uint32_t index, void *data)
{
	struct list_search *search = data;
	struct list_head *at = search->at;
	struct vfio_pci_mmap_vma *entry;

	/* NULL: the list, which is not locked, changed under the search. */
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
 * User space runs this twice (Sources/Kernel/KeptBars), because one scan can meet an area in an
 * intermediate state: a zap takes the area off the list before it removes its pages, and a fault
 * fills the area before it puts it on the list. Both hold the mm's lock for reading, as does the
 * iterator, so the lock does not exclude them.
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
	 * vfio_pci_core_mmap stores the device there; a driver with an mmap of its own may store
	 * something else.
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
		r->h.tid = 0; /* no thread of the process acts here */
		r->pci = pci_address(pdev);
		r->phys = phys;
		r->size = READ(vma, vm_end) - vaddr;
		r->action = VS_KEPT;
	}
	return 0;
}

/* vm_ops->open of an area, called during a fork, an mremap or a split: a reason to scan. */
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
