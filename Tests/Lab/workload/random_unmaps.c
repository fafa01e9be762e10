/* SPDX-License-Identifier: Apache-2.0 */
/* Unmaps of every shape, and both in bulk: many maps at once, and all workers at the same time. */
#include "random.h"
#include "oracle.h"

#include <errno.h>
#include <linux/vfio.h>

#define READ_WRITE (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static int descriptor(int process, int container)
{
	return handles[handle_of(process, CONTAINER_FILE, container)].fd;
}

static bool unmap(int process, int container, uint64_t iova, uint64_t size, const char *what)
{
	struct container_state *c = &containers[container];

	if (!unmap_is_certain(c, processes[process].pid, iova, size))
		return false;
	int64_t result = call(process, (struct request){ .call = CALL_UNMAP,
							 .fd = descriptor(process, container),
							 .iova = iova,
							 .size = size });
	int64_t expected = unmap_in_model(c, processes[process].pid, iova, size);

	did(process, result, "unmap %s in k%d at 0x%lx, %lu bytes", what, c->serial, iova, size);
	expect(process, result, expected, what);
	return true;
}

static bool pick(int *process, int *container, struct mapping *mapping)
{
	uint64_t which = draw(MOST_MAPPINGS);
	int first = draw(WORKERS * CONTAINERS);

	for (int i = 0; i < WORKERS * CONTAINERS; i++) {
		*process = (first + i) % WORKERS;
		*container = (first + i) / WORKERS % CONTAINERS;
		struct container_state *c = &containers[*container];

		if (c->serial && c->count && handle_of(*process, CONTAINER_FILE, *container) >= 0) {
			*mapping = c->mapping[which % c->count];
			return true;
		}
	}
	return false;
}

bool op_unmap_one(void)
{
	int process, container;
	struct mapping m;

	return pick(&process, &container, &m) && unmap(process, container, m.iova, m.size, "one");
}

bool op_unmap_range(void)
{
	int process, container;
	struct mapping m;
	uint64_t before = draw(32) * PAGE, after = draw(512) * PAGE;

	return pick(&process, &container, &m) &&
	       unmap(process, container, m.iova > before ? m.iova - before : m.iova,
		     m.size + before + after, "a range");
}

/*
 * Within a mapping: type1v2 refuses. type1 does nothing when the start is within, and removes the
 * whole mapping when only the end is.
 */
bool op_unmap_part(void)
{
	int process, container;
	struct mapping m;
	bool head = chance(50);

	if (!pick(&process, &container, &m) || m.size < 2 * PAGE)
		return false;
	return unmap(process, container, head ? m.iova : m.iova + PAGE, m.size - PAGE, "a part");
}

bool op_unmap_nothing(void)
{
	int process, container;
	struct mapping m;

	return pick(&process, &container, &m) &&
	       unmap(process, container, 0x40000000 + draw(64) * PAGE, (1 + draw(64)) * PAGE,
		     "nothing");
}

bool op_unmap_all(void)
{
	int process, container;
	struct mapping m;

	if (!pick(&process, &container, &m))
		return false;
	struct container_state *c = &containers[container];
	int fd = descriptor(process, container);
	bool known = call(process, (struct request){ .call = CALL_UNMAP_ALL_KNOWN, .fd = fd }) == 1;

	if (known && owner_only && !unmap_is_certain(c, processes[process].pid, 0, 1ull << 62))
		return false;
	int64_t result = call(
		process,
		(struct request){ .call = CALL_UNMAP, .fd = fd, .flags = VFIO_DMA_UNMAP_FLAG_ALL });
	int64_t expected =
		known ? unmap_in_model(c, processes[process].pid, 0, 1ull << 62) : -EINVAL;

	did(process, result, "unmap all in k%d", c->serial);
	expect(process, result, expected, "unmap all");
	return true;
}

/* ---- in bulk ---- */

struct plan {
	int process, container, count;
	struct request request[BATCH];
	int64_t expected[BATCH], result[BATCH];
};

/* Maps of one to three pages, and unmaps between them; the model assumes that each succeeds. */
static void plan(struct plan *p, int steps, unsigned unmaps)
{
	struct container_state *c = &containers[p->container];
	int fd = descriptor(p->process, p->container);
	pid_t pid = processes[p->process].pid;

	for (p->count = 0; steps > 0; steps--) {
		struct request *r = &p->request[p->count];
		const struct mapping *m = c->count ? &c->mapping[draw(c->count)] : NULL;

		if (m && chance(unmaps) && unmap_is_certain(c, pid, m->iova, m->size)) {
			*r = (struct request){
				.call = CALL_UNMAP, .fd = fd, .iova = m->iova, .size = m->size
			};
			p->expected[p->count++] = unmap_in_model(c, pid, r->iova, r->size);
			continue;
		}
		struct mapping new = {
			.size = (1 + draw(3)) * PAGE, .read = true, .write = true, .creator = pid
		};
		uint64_t address = processes[p->process].arena + draw(ARENA_PAGES - 3) * PAGE;
		int bar = draw(VMAS);

		if (vma_count && !vmas[bar % vma_count].ram &&
		    vmas[bar % vma_count].process == p->process &&
		    vmas[bar % vma_count].size >= new.size)
			address = vmas[bar % vma_count].address;
		new.iova = free_iova(c, new.size);
		if (new.iova == ~0ull || c->count == MOST_MAPPINGS ||
		    cover(p->process, address, &new))
			continue;
		*r = (struct request){ .call = CALL_MAP,
				       .fd = fd,
				       .address = address,
				       .iova = new.iova,
				       .size = new.size,
				       .flags = READ_WRITE };
		p->expected[p->count++] = 0;
		mapping_add(c, &new);
	}
}

static void collect(struct plan *p, const char *what)
{
	call_answers(p->process, p->result, p->count);
	for (int i = 0; i < p->count; i++)
		expect(p->process, p->result[i], p->expected[i], what);
	did(p->process, p->count, "%s in k%d", what, containers[p->container].serial);
}

bool op_map_many(void)
{
	static struct plan one;

	if (!pick_map_target(&one.process, &one.container))
		return false;
	plan(&one, 8 + draw(BATCH - 8), 0);
	if (!one.count)
		return false;
	call_batch(one.process, one.request, one.count);
	collect(&one, "map many");
	return true;
}

/*
 * All workers with a container of their own in this burst map and unmap there at the same time;
 * sometimes the tool takes a snapshot meanwhile.
 */
bool op_burst(void)
{
	static struct plan plans[WORKERS];
	bool taken[CONTAINERS] = { false };
	int first = draw(CONTAINERS), count = 0, asked = -1;
	bool ask = chance(40);

	for (int process = 0; process < WORKERS; process++)
		for (int i = 0; i < CONTAINERS; i++) {
			int container = (first + process + i) % CONTAINERS;

			if (taken[container] || !containers[container].serial ||
			    !containers[container].iommu ||
			    handle_of(process, CONTAINER_FILE, container) < 0)
				continue;
			taken[container] = true;
			plans[count].process = process;
			plans[count].container = container;
			plan(&plans[count], 8 + draw(BATCH - 8), 40);
			count += plans[count].count > 0;
			break;
		}
	for (int i = 0; i < count; i++)
		call_batch(plans[i].process, plans[i].request, plans[i].count);
	if (ask && count)
		asked = snapshot_ask();
	for (int i = 0; i < count; i++)
		collect(&plans[i], "burst");
	snapshot_await(asked);
	return count > 0;
}
