/* SPDX-License-Identifier: Apache-2.0 */
/* The model's type1: what a map covers, and what an unmap removes. */
#include "random.h"

#include <errno.h>

bool owner_only;

static const struct vma *vma_at(int process, uint64_t address)
{
	for (int i = 0; i < vma_count; i++)
		if (vmas[i].process == process && address >= vmas[i].address &&
		    address - vmas[i].address < vmas[i].size)
			return &vmas[i];
	return NULL;
}

int cover(int process, uint64_t address, struct mapping *m)
{
	m->ram = 0;
	m->pieces = 0;
	for (uint64_t at = 0; at < m->size;) {
		const struct vma *v = vma_at(process, address + at);

		if (!v)
			return -EFAULT;
		uint64_t inside = address + at - v->address;
		uint64_t size = v->size - inside < m->size - at ? v->size - inside : m->size - at;

		if (v->ram)
			m->ram += size;
		else {
			int device = files[v->file].object;
			struct piece *last = m->pieces ? &m->piece[m->pieces - 1] : NULL;

			if (!devices[device].decode)
				return -EFAULT;
			if (last && last->device == device && last->bar == v->bar &&
			    last->bar_offset + last->size == v->offset + inside &&
			    last->iova + last->size == m->iova + at)
				last->size += size;
			else if (m->pieces == MOST_PIECES)
				/* not the kernel's: the caller leaves it */
				return -E2BIG;
			else
				m->piece[m->pieces++] =
					(struct piece){ device, v->bar, v->offset + inside,
							m->iova + at, size };
		}
		at += size;
	}
	return 0;
}

static bool touches(const struct mapping *m, uint64_t iova, uint64_t size)
{
	return m->iova <= iova + size - 1 && iova <= m->iova + m->size - 1;
}

bool overlaps(const struct container_state *c, uint64_t iova, uint64_t size)
{
	for (int i = 0; i < c->count; i++)
		if (touches(&c->mapping[i], iova, size))
			return true;
	return false;
}

void mapping_add(struct container_state *c, const struct mapping *mapping)
{
	int at = c->count++;

	while (at > 0 && c->mapping[at - 1].iova > mapping->iova) {
		c->mapping[at] = c->mapping[at - 1];
		at--;
	}
	c->mapping[at] = *mapping;
}

int64_t unmap_in_model(struct container_state *c, pid_t pid, uint64_t iova, uint64_t size)
{
	int64_t bytes = 0;
	int kept = 0;
	bool stopped = false;

	if (!size || (iova | size) % PAGE || iova + size - 1 < iova)
		return -EINVAL;
	for (int i = 0; c->v2 && i < c->count; i++)
		if (touches(&c->mapping[i], iova, size) &&
		    (c->mapping[i].iova < iova ||
		     c->mapping[i].iova + c->mapping[i].size > iova + size))
			return -EINVAL;
	for (int i = 0; i < c->count; i++) {
		const struct mapping *m = &c->mapping[i];
		bool hit = touches(m, iova, size);

		/* vfio_dma_do_unmap stops at the first mapping that it may not remove. */
		if (hit && ((!c->v2 && iova > m->iova) || (owner_only && m->creator != pid)))
			stopped = true;
		if (hit && !stopped)
			bytes += m->size;
		else
			c->mapping[kept++] = *m;
	}
	c->count = kept;
	return bytes;
}

bool unmap_is_certain(const struct container_state *c, pid_t pid, uint64_t iova, uint64_t size)
{
	int gone = 0, stays = 0;

	for (int i = 0; i < c->count; i++)
		if (touches(&c->mapping[i], iova, size)) {
			if ((!c->v2 && iova > c->mapping[i].iova) ||
			    (owner_only && c->mapping[i].creator != pid))
				stays++;
			else
				gone++;
		}
	/*
	 * vfio_find_dma walks the tree from its root in kernels with `owner_only`; later the lowest
	 * IOVA comes first.
	 */
	return !owner_only || !gone || !stays;
}
