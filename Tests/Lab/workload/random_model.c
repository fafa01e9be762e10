/* SPDX-License-Identifier: Apache-2.0 */
/* The model: files, who refers to them, and what ends with them. It never asks the kernel. */
#include "random.h"
#include "oracle.h"

#include <errno.h>
#include <string.h>

struct file files[FILES];
struct handle handles[HANDLES];
struct vma vmas[VMAS];
int handle_count, vma_count;
struct container_state containers[CONTAINERS];
struct device_state devices[DEVICES];

int file_new(enum kind kind, int object)
{
	for (int i = 0; i < FILES; i++)
		if (files[i].kind == NO_FILE) {
			files[i] = (struct file){ kind, object };
			return i;
		}
	give_up("too many files", ENOSPC);
}

void handle_add(int process, int fd, int file)
{
	if (handle_count == HANDLES)
		give_up("too many handles", ENOSPC);
	handles[handle_count++] = (struct handle){ process, fd, file };
}

void handle_drop(int index)
{
	memmove(handles + index, handles + index + 1, (--handle_count - index) * sizeof(*handles));
}

void vma_add(struct vma vma)
{
	if (vma_count == VMAS)
		give_up("too many VMAs", ENOSPC);
	vmas[vma_count++] = vma;
}

/* Removes from a process's VMAs what munmap, or MAP_FIXED over it, removes. */
void vma_cut(int process, uint64_t address, uint64_t size)
{
	uint64_t end = address + size;

	for (int i = vma_count - 1; i >= 0; i--) {
		struct vma v = vmas[i];
		uint64_t v_end = v.address + v.size;

		if (v.process != process || v_end <= address || end <= v.address)
			continue;
		memmove(vmas + i, vmas + i + 1, (--vma_count - i) * sizeof(*vmas));
		if (v.address < address) {
			struct vma head = v;

			head.size = address - v.address;
			vma_add(head);
		}
		if (end < v_end) {
			struct vma tail = v;

			tail.address = end;
			tail.size = v_end - end;
			tail.offset += end - v.address;
			vma_add(tail);
		}
	}
}

void process_drop(int process)
{
	for (int i = handle_count - 1; i >= 0; i--)
		if (handles[i].process == process)
			handle_drop(i);
	vma_cut(process, 0, ~0ull);
}

void process_copy(int from, int to)
{
	for (int i = 0, count = handle_count; i < count; i++)
		if (handles[i].process == from)
			handle_add(to, handles[i].fd, handles[i].file);
	for (int i = 0, count = vma_count; i < count; i++)
		if (vmas[i].process == from) {
			struct vma copy = vmas[i];

			copy.process = to;
			vma_add(copy);
		}
}

int handle_of(int process, enum kind kind, int object)
{
	for (int i = 0; i < handle_count; i++)
		if (handles[i].process == process && files[handles[i].file].kind == kind &&
		    files[handles[i].file].object == object)
			return i;
	return -1;
}

int files_of(enum kind kind, int object)
{
	int count = 0;

	for (int i = 0; i < FILES; i++)
		count += files[i].kind == kind && files[i].object == object;
	return count;
}

int groups_of(int container)
{
	int count = 0;

	for (int i = 0; i < DEVICES; i++)
		count += devices[i].container == container;
	return count;
}

bool model_is_empty(void)
{
	for (int i = 0; i < CONTAINERS; i++)
		if (containers[i].serial)
			return false;
	for (int i = 0; i < FILES; i++)
		if (files[i].kind != NO_FILE)
			return false;
	return true;
}

/*
 * A device's file ends with its last descriptor and its last BAR VMA. A group leaves its container
 * when its file ends, which every open device keeps alive (up to 5.10 by a count). With the last
 * group, the IOMMU side and every mapping end.
 */
void settle_model(void)
{
	bool used[FILES] = { false };

	for (int i = 0; i < handle_count; i++)
		used[handles[i].file] = true;
	for (int i = 0; i < vma_count; i++)
		if (!vmas[i].ram)
			used[vmas[i].file] = true;
	for (int i = 0; i < FILES; i++)
		if (!used[i] && files[i].kind != GROUP_FILE)
			files[i].kind = NO_FILE;
	for (int i = 0; i < FILES; i++)
		if (!used[i] && files[i].kind == GROUP_FILE &&
		    !files_of(DEVICE_FILE, files[i].object)) {
			devices[files[i].object].container = -1;
			files[i].kind = NO_FILE;
		}
	for (int i = 0; i < CONTAINERS; i++)
		if (containers[i].serial && !groups_of(i)) {
			containers[i].iommu = false;
			containers[i].count = 0;
			if (!files_of(CONTAINER_FILE, i))
				containers[i].serial = 0;
		}
}
