/* SPDX-License-Identifier: Apache-2.0 */
/* Maps: RAM, BARs, both in one, at the top of the IOVA space, many, and those that must fail. */
#include "random.h"
#include "oracle.h"

#include <errno.h>
#include <linux/vfio.h>

#define READ VFIO_DMA_MAP_FLAG_READ
#define WRITE VFIO_DMA_MAP_FLAG_WRITE
#define BASE 0x1000000ull

static uint32_t draw_flags(void)
{
	return chance(80) ? READ | WRITE : chance(60) ? READ : WRITE;
}

/* Few places, so that maps often collide: 64 of 256 KiB each. */
uint64_t draw_iova(void)
{
	return BASE + draw(64) * 0x40000 + (chance(30) ? draw(16) * PAGE : 0);
}

uint64_t free_iova(const struct container_state *c, uint64_t size)
{
	uint64_t first = draw(256);

	for (uint64_t i = 0; i < 256; i++) {
		uint64_t iova = BASE + (first + i) % 256 * 0x10000;

		if (!overlaps(c, iova, size))
			return iova;
	}
	return ~0ull;
}

bool pick_map_target(int *process, int *container)
{
	int first = draw(WORKERS * CONTAINERS);

	for (int i = 0; i < WORKERS * CONTAINERS; i++) {
		*process = (first + i) % WORKERS;
		*container = (first + i) / WORKERS % CONTAINERS;
		if (containers[*container].serial && containers[*container].iommu &&
		    containers[*container].count < MOST_MAPPINGS - BATCH &&
		    handle_of(*process, CONTAINER_FILE, *container) >= 0)
			return true;
	}
	return false;
}

bool map_into(int process, int container, uint64_t address, uint64_t iova, uint64_t size,
	      uint32_t flags, const char *what)
{
	struct container_state *c = &containers[container];
	struct mapping m = { .iova = iova,
			     .size = size,
			     .read = flags & READ,
			     .write = flags & WRITE,
			     .creator = processes[process].pid };
	int fd = handles[handle_of(process, CONTAINER_FILE, container)].fd, expected;

	if (!size || !(flags & (READ | WRITE)) || (size | iova | address) % PAGE ||
	    iova + size - 1 < iova)
		expected = -EINVAL;
	else if (overlaps(c, iova, size))
		expected = -EEXIST;
	else if (iova + size - 1 > c->top ||
		 (iova <= 0xfeefffffull && iova + size - 1 >= 0xfee00000ull))
		expected = -EINVAL;
	else
		expected = cover(process, address, &m);
	if (expected == -E2BIG)
		return false;
	int64_t result = call(process, (struct request){ .call = CALL_MAP,
							 .fd = fd,
							 .address = address,
							 .iova = iova,
							 .size = size,
							 .flags = flags });

	did(process, result, "map %s in k%d at 0x%lx, %lu bytes", what, c->serial, iova, size);
	/* A range that wraps around is -EOVERFLOW since type1 checks with check_add_overflow. */
	if (result != expected && !(iova + size - 1 < iova && result == -EOVERFLOW))
		surprise(process, result, expected, what);
	if (result == 0)
		mapping_add(c, &m);
	return true;
}

bool op_map_ram(void)
{
	uint64_t pages = 1 + draw(chance(20) ? 256 : 16), iova = draw_iova(),
		 at = draw(ARENA_PAGES - pages);
	uint32_t flags = draw_flags();
	int process, container;

	return pick_map_target(&process, &container) &&
	       map_into(process, container, processes[process].arena + at * PAGE, iova,
			pages * PAGE, flags, "RAM");
}

/* Maps a window of a device's BAR into a process: the index of the VMA, or -1. */
static int mmap_bar(int process, int device, uint64_t address, uint64_t most_pages)
{
	int index = handle_of(process, DEVICE_FILE, device);
	unsigned first = draw(BARS);

	for (unsigned i = 0; index >= 0 && i < BARS; i++) {
		unsigned bar = (first + i) % BARS;
		uint64_t pages = devices[device].device->bar[bar].size / PAGE,
			 most = pages < most_pages ? pages : most_pages;

		if (!pages)
			continue;
		uint64_t size = most_pages > 64 && chance(10) ? pages : 1 + draw(most),
			 offset = draw(pages - size + 1) * PAGE;
		int file = handles[index].file;
		int64_t result = call(process, (struct request){ .call = CALL_MMAP_BAR,
								 .fd = handles[index].fd,
								 .flags = bar,
								 .address = address,
								 .size = size * PAGE,
								 .offset = offset });

		did(process, result < 0 && result > -4096 ? result : 0,
		    "mmap BAR %u of %s at 0x%lx, %lu pages", bar, devices[device].device->name,
		    offset, size);
		if (result < 0 && result > -4096) {
			surprise(process, result, 0, "mmap BAR");
			return -1;
		}
		vma_cut(process, result, size * PAGE);
		vma_add((struct vma){ process, file, false, bar, result, size * PAGE, offset });
		return vma_count - 1;
	}
	return -1;
}

bool op_mmap_bar(void)
{
	int first = draw(WORKERS * DEVICES);

	for (int i = 0; i < WORKERS * DEVICES; i++)
		if (mmap_bar((first + i) % WORKERS, (first + i) / WORKERS % DEVICES, 0, 96) >= 0)
			return true;
	return false;
}

bool op_munmap(void)
{
	int first = draw(VMAS);
	bool half = chance(25);

	for (int i = 0; i < vma_count; i++) {
		struct vma v = vmas[(first + i) % vma_count];

		if (v.ram || v.process >= WORKERS)
			continue;
		uint64_t size = half && v.size > PAGE ? v.size / 2 / PAGE * PAGE : v.size;
		int64_t result = call(v.process, (struct request){ .call = CALL_MUNMAP,
								   .address = v.address,
								   .size = size });

		did(v.process, result, "munmap %lu of %lu bytes of a BAR of %s", size, v.size,
		    devices[files[v.file].object].device->name);
		expect(v.process, result, 0, "munmap");
		vma_cut(v.process, v.address, size);
		settle_model();
		return true;
	}
	return false;
}

/*
 * A window of a BAR that the process has mapped. The device may be of this container, of another,
 * or kept open by this VMA alone.
 */
bool op_map_bar(void)
{
	int process, container, first = draw(VMAS);
	uint64_t iova = draw_iova(), share = draw(4), start = draw(1 << 20);
	uint32_t flags = draw_flags();

	if (!pick_map_target(&process, &container))
		return false;
	for (int i = 0; i < vma_count; i++) {
		struct vma v = vmas[(first + i) % vma_count];
		uint64_t pages = v.size / PAGE, size = share ? 1 + start % pages : pages;

		if (v.ram || v.process != process)
			continue;
		return map_into(process, container,
				v.address + (start / 7 % (pages - size + 1)) * PAGE, iova,
				size * PAGE, flags, "BAR");
	}
	for (int device = 0; device < DEVICES; device++) {
		int index = mmap_bar(process, (device + first) % DEVICES, 0, 64);

		if (index >= 0)
			return map_into(process, container, vmas[index].address, iova,
					vmas[index].size, flags, "BAR");
	}
	return false;
}

/*
 * One mapping of RAM, device memory and RAM; the device's part is one window, or two of different
 * devices.
 */
bool op_map_mixed(void)
{
	int process, container, first = draw(DEVICES), parts = 0;
	uint64_t pages = 24 + draw(16), iova = draw_iova();

	if (!pick_map_target(&process, &container))
		return false;
	uint64_t address =
		call(process, (struct request){ .call = CALL_MMAP_RAM, .size = pages * PAGE });

	vma_add((struct vma){
		.process = process, .ram = true, .address = address, .size = pages * PAGE });
	for (int device = 0; device < DEVICES && parts < 2; device++)
		if (mmap_bar(process, (first + device) % DEVICES,
			     address + (2 + parts * 11 + draw(2)) * PAGE, 8) >= 0)
			parts++;
	if (parts)
		map_into(process, container, address, iova, pages * PAGE, READ | WRITE,
			 "RAM and BAR");
	/*
	 * The RAM stays with the type1 mapping; what is left of the region in the process is only
	 * the BARs' windows.
	 */
	for (int i = vma_count - 1; i >= 0; i--)
		if (vmas[i].process == process && vmas[i].ram && vmas[i].address >= address &&
		    vmas[i].address < address + pages * PAGE) {
			struct vma v = vmas[i];

			call(process, (struct request){ .call = CALL_MUNMAP,
							.address = v.address,
							.size = v.size });
			vma_cut(process, v.address, v.size);
		}
	settle_model();
	return parts > 0;
}

bool op_map_bad(void)
{
	int process, container;
	unsigned how = draw(9);
	uint64_t iova = draw_iova();

	if (!pick_map_target(&process, &container))
		return false;
	const struct container_state *c = &containers[container];
	uint64_t arena = processes[process].arena, clear = free_iova(c, 32 * PAGE);

	if (clear == ~0ull)
		return false;
	switch (how) {
	case 0:
		return map_into(process, container, arena, clear + 16, PAGE, READ,
				"at an odd IOVA");
	case 1:
		return map_into(process, container, arena + 16, clear, PAGE, READ,
				"an odd address");
	case 2:
		return map_into(process, container, arena, clear, 0, READ, "nothing");
	case 3:
		return map_into(process, container, arena, clear, PAGE, 0,
				"neither to read nor to write");
	case 4:
		return map_into(process, container, arena, 0xfffffffffffff000ull, 2 * PAGE, READ,
				"around the end of 64 bits");
	case 5:
		return map_into(process, container, arena, 0xfee00000ull, PAGE, READ,
				"the MSI window");
	case 6:
		return map_into(process, container, 0x10000, clear, PAGE, READ,
				"what is not there");
	case 7: {
		/*
		 * Only the first half has memory behind it: the kernel must undo that part of the
		 * mapping.
		 */
		uint64_t address =
			call(process, (struct request){ .call = CALL_MMAP_RAM, .size = 32 * PAGE });

		vma_add((struct vma){
			.process = process, .ram = true, .address = address, .size = 32 * PAGE });
		call(process, (struct request){ .call = CALL_MUNMAP,
						.address = address + 16 * PAGE,
						.size = 16 * PAGE });
		vma_cut(process, address + 16 * PAGE, 16 * PAGE);
		map_into(process, container, address, clear, 32 * PAGE, READ | WRITE, "torn RAM");
		call(process, (struct request){
				      .call = CALL_MUNMAP, .address = address, .size = 16 * PAGE });
		vma_cut(process, address, 16 * PAGE);
		return true;
	}
	default:
		if (!c->count)
			return map_into(process, container, arena, c->top + 1, PAGE, READ,
					"beyond the IOMMU's reach");
		iova = c->mapping[draw(c->count)].iova;
		return map_into(process, container, arena, iova > PAGE ? iova - PAGE : iova,
				2 * PAGE, READ, "what is taken");
	}
}

bool op_map_top(void)
{
	int process, container;
	uint64_t pages = 1 + draw(8), below = chance(60) ? 0 : draw(8);

	if (!pick_map_target(&process, &container))
		return false;
	return map_into(process, container, processes[process].arena,
			containers[container].top + 1 - (pages + below) * PAGE, pages * PAGE,
			READ | WRITE, "at the top");
}
