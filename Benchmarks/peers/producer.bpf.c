/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Fills the ring like a busy virtual machine: each run makes one mapping and removes the one made
 * `window` runs before, with the three records that the tool's own programs emit for that.
 * BPF_PROG_TEST_RUN repeats it at native speed, without VFIO.
 */
#include "records.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

const volatile uint64_t window = 4096;
uint64_t made;

static __always_inline void fill(struct vs_header *h, uint16_t type, uint16_t size, uint64_t time)
{
	h->type = type;
	h->size = size;
	h->tid = h->tgid = 100;
	h->time = time;
	h->start = 1000;
	h->cgroup = 1;
	h->uid = 0;
	__builtin_memcpy(h->comm, "qemu-system-x86", 16);
}

SEC("tc") int produce(struct __sk_buff *skb)
{
	uint64_t number = made++, time = number * 1000 + 1000000;
	uint64_t iova = (number % (4 * window)) << 12, old = ((number - window) % (4 * window))
							     << 12;
	struct vs_map *map = bpf_ringbuf_reserve(&ring, sizeof(*map), 0);

	if (map) {
		__builtin_memset(map, 0, sizeof(*map));
		fill(&map->h, VS_MAP, sizeof(*map), time);
		map->iommu = 0x2000;
		map->dma = 0x100000 + iova;
		map->iova = iova;
		map->vaddr = 0x7f0000000000 + iova;
		map->size = 4096;
		map->begin = time - 100;
		map->prot = 3;
		map->chunks = 1;
		bpf_ringbuf_submit(map, BPF_RB_NO_WAKEUP);
	}
	if (number >= window) {
		struct vs_remove *remove = bpf_ringbuf_reserve(&ring, sizeof(*remove), 0);
		struct vs_unmap *unmap;

		if (remove) {
			fill(&remove->h, VS_REMOVE, sizeof(*remove), time + 500);
			remove->iommu = 0x2000;
			remove->dma = 0x100000 + old;
			remove->iova = old;
			remove->size = 4096;
			remove->flags = remove->reserved = 0;
			bpf_ringbuf_submit(remove, BPF_RB_NO_WAKEUP);
		}
		unmap = bpf_ringbuf_reserve(&ring, sizeof(*unmap), 0);
		if (unmap) {
			fill(&unmap->h, VS_UNMAP, sizeof(*unmap), time + 600);
			unmap->iommu = 0x2000;
			unmap->iova = old;
			unmap->size = unmap->requested = 4096;
			unmap->ret = 0;
			unmap->flags = 0;
			bpf_ringbuf_submit(unmap, BPF_RB_NO_WAKEUP);
		}
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
