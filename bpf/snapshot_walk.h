/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Walks the mappings of one IOMMU in ascending order of IOVA, and reads the IOMMU's own page table.
 * Nothing is locked. A walk that a rotation of the tree leads astray finds fewer mappings than the
 * kernel counts (dma_entry_limit - dma_avail), and user space walks again. No mapping can be
 * emitted twice, because each must lie above the previous one.
 */
#pragma once
#include "snapshot_roots.h"

/* Moves in one run on 5.10, about two for each mapping. Later kernels have bpf_loop (5.17). */
#define BOUNDED_MOVES 128
/*
 * How much of a vfio_dma is read at once. All fields of interest lie within it, and the struct is
 * larger on every kernel.
 */
#define DMA_IMAGE_BYTES 88

/*
 * The position of a walk, within a step and between steps. User space reads the first five fields
 * by their order (SnapshotPrograms.Position).
 */
struct snapshot_cursor {
	uint64_t next;		   /* IOVA: all mappings that begin below it have been emitted */
	uint64_t done;		   /* 1 at the end of the tree, 2 when it could not be followed */
	uint64_t found;		   /* mappings emitted by this step */
	uint64_t available_before; /* vfio_iommu.dma_avail */
	uint64_t available_after;
	uint64_t room; /* mappings that may still be emitted in this step */
	uint64_t iommu;
	uint64_t node; /* of the tree, to be visited next */
	uint64_t came; /* the node visited before */
	/* cached, since neighbours mostly share them: the task that `holder` describes, and `mm` */
	uint64_t task;
	uint64_t mm;
	uint64_t mm_is_gone;
	struct vs_header holder;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct snapshot_cursor);
} cursor SEC(".maps");

static __always_inline struct snapshot_cursor *the_cursor(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&cursor, &zero);
}

#define IN_IMAGE(type, field, offset)                                                              \
	(*(type *)(image + (probed ? (offset) : bpf_core_field_offset(struct vfio_dma, field))))

/*
 * Records whether the mapping's address space still has users. A vfio_dma keeps its mm from being
 * freed, but not from losing its last user.
 */
static __always_inline void update_mm(struct snapshot_cursor *at, char *image, bool probed)
{
	struct vfio_dma *dma = 0;
	struct mm_struct *mm;

	if (!probed && !bpf_core_field_exists(dma->mm))
		return;
	mm = IN_IMAGE(struct mm_struct *, mm, OFF_DMA_MM);
	if (at->mm == (uint64_t)mm)
		return;
	at->mm = (uint64_t)mm;
	at->mm_is_gone = mm && READ(mm, mm_users.counter) == 0;
}

static __always_inline void emit_walked(struct snapshot_cursor *at, char *image, bool probed)
{
	struct task_struct *task = IN_IMAGE(struct task_struct *, task, OFF_DMA_TASK);
	struct vfio_dma *dma = 0;

	if (at->task != (uint64_t)task) {
		__builtin_memset(&at->holder, 0, sizeof(at->holder));
		if (task)
			fill_holder(&at->holder, task);
		at->task = (uint64_t)task;
	}
	update_mm(at, image, probed);
	EMIT_FOR(VS_SNAP_MAP, vs_map, r, &at->holder)
	{
		r->iommu = at->iommu;
		r->dma = at->node;
		r->iova = IN_IMAGE(uint64_t, iova, OFF_DMA_IOVA);
		r->vaddr = IN_IMAGE(uint64_t, vaddr, OFF_DMA_VADDR);
		r->size = IN_IMAGE(uint64_t, size, OFF_DMA_SIZE);
		r->prot = IN_IMAGE(uint32_t, prot, OFF_DMA_PROT) & (IOMMU_READ | IOMMU_WRITE);
		if (!probed && bpf_core_field_exists(dma->has_rsvd))
			r->flags =
				IN_IMAGE(bool, has_rsvd, 0) ? VS_MAP_HAS_RESERVED : VS_MAP_ONLY_RAM;
		if (at->mm_is_gone)
			r->flags |= VS_MAP_MM_GONE;
	}
}

/*
 * Moves along one edge of the tree, in order: down to the left, the node itself, down to the right,
 * up. Each step begins at the root and skips mappings that begin below `next`; so a mapping costs
 * two moves, and a step, in addition, the depth of the tree. Returns false when the step is over.
 */
static __always_inline bool walk_move(struct snapshot_cursor *at, bool probed)
{
	char image[DMA_IMAGE_BYTES] __attribute__((aligned(8)));
	/* vfio_dma begins with its rb_node: parent and colour, right, left */
	uint64_t *rb_node = (void *)image;
	uint64_t node = at->node, came = at->came;
	uint64_t parent, iova, to;

	if (!node) {
		at->done = 1;
		return false;
	}
	if (bpf_probe_read_kernel(image, sizeof(image), (void *)node)) {
		at->done = 2;
		return false;
	}
	parent = rb_node[0] & ~3ULL;
	iova = IN_IMAGE(uint64_t, iova, OFF_DMA_IOVA);
	to = parent;
	if (came == parent && rb_node[2] && iova > at->next) {
		to = rb_node[2];
	} else if (came == parent || came == rb_node[2]) {
		if (iova >= at->next) {
			if (!at->room)
				return false;
			at->room--;
			emit_walked(at, image, probed);
			at->found++;
			/* Cannot overflow: a mapping is at least a page long. */
			at->next = iova + 1;
		}
		if (rb_node[1])
			to = rb_node[1];
	}
	at->came = node;
	at->node = to;
	return true;
}

/* Global (not static), so that the verifier checks it once and not in each round of the loop. */
__noinline int walk_on_probed(void)
{
	struct snapshot_cursor *at = the_cursor();

	return at && walk_move(at, true);
}

static long walk_on(uint32_t index, void *unused)
{
	struct snapshot_cursor *at = the_cursor();

	return !at || !walk_move(at, false);
}

static __always_inline void step_walk(uint64_t *arg, bool probed)
{
	struct vfio_iommu *iommu = (void *)arg[1];
	struct snapshot_cursor *at = the_cursor();

	if (!at)
		return;
	at->iommu = arg[1];
	at->next = arg[2];
	at->room = arg[3];
	at->done = at->found = at->came = at->task = at->mm = at->mm_is_gone = 0;
	at->available_before = READ_VFIO(probed, iommu, dma_avail, OFF_IOMMU_AVAIL);
	bpf_probe_read_kernel(
		&at->node, sizeof(at->node),
		(void *)iommu + (probed ? OFF_IOMMU_DMA_LIST
					: bpf_core_field_offset(struct vfio_iommu, dma_list)));
	if (probed) {
		for (int i = 0; i < BOUNDED_MOVES; i++)
			if (!walk_on_probed())
				break;
	} else {
		/* Three moves for a mapping at most, and the descent from the root. */
		bpf_loop(4 * arg[3] + 128, walk_on, 0, 0);
	}
	at->available_after = READ_VFIO(probed, iommu, dma_avail, OFF_IOMMU_AVAIL);
}

/*
 * The address of the top table of an IOMMU (VT-d) and its number of levels, in the cursor's `next`
 * and `done`. The same for VT-d's second-level and first-level formats. VS_NO_DOMAIN levels when no
 * group with an IOMMU is attached, so that no device reaches the mappings.
 */
static __always_inline void step_table(struct vfio_iommu *iommu, bool probed)
{
	struct snapshot_cursor *at = the_cursor();
	struct list_head *head = (void *)iommu; /* domain_list comes first */
	struct list_head *entry = READ(head, next);
	struct vfio_domain *vfio_domain;
	struct iommu_domain *domain;
	struct dmar_domain *dmar;

	if (!at)
		return;
	at->next = at->done = 0;
	if (entry == head) {
		at->done = VS_NO_DOMAIN;
		return;
	}
	if (!entry)
		return;
	vfio_domain = (void *)entry -
		      (probed ? OFF_DOMAIN_NEXT : bpf_core_field_offset(struct vfio_domain, next));
	domain = READ_VFIO(probed, vfio_domain, domain, 0);
	dmar = (void *)domain - bpf_core_field_offset(struct dmar_domain, domain);
	if (bpf_core_type_exists(struct pt_iommu_vtdss)) {
		/* 7.x (iommu_pt): the pointer's low bits hold the level */
		struct pt_iommu_vtdss *table = (void *)dmar;
		uint64_t top = READ(table, vtdss_pt.common.top_of_table);

		at->next = top & ~4095ULL;
		at->done = (top & 7) + 1;
	} else {
		at->next = (uint64_t)READ(dmar, pgd);
		at->done = READ(dmar, agaw) + 2;
	}
}

/* One page of an IOMMU's table, for user space to follow. */
struct table_page {
	uint64_t entry[512];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct table_page);
} table_page SEC(".maps");

SEC("raw_tp") int read_table(struct bpf_raw_tracepoint_args *ctx)
{
	uint32_t zero = 0;
	struct table_page *page = bpf_map_lookup_elem(&table_page, &zero);

	return page ? bpf_probe_read_kernel(page, sizeof(*page), (void *)ctx->args[0]) : -1;
}
