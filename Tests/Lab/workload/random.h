/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The random workload: a coordinator without a VFIO descriptor sends worker processes the system
 * calls to make, and keeps from their results alone a model of what must exist.
 */
#ifndef LAB_RANDOM_H
#define LAB_RANDOM_H

#include "vfio.h"

#include <stdbool.h>
#include <sys/types.h>

#define WORKERS 3
/* forked children, which only hold what their parent had */
#define HOLDERS 2
#define PROCESSES (WORKERS + HOLDERS)
#define CONTAINERS 5
#define DEVICES 4
#define MOST_MAPPINGS 400 /* of one container */
#define MOST_PIECES 10
#define ARENA_PAGES 512ull
#define BATCH 48

/* Requests to a worker, one system call each. */
enum call {
	CALL_OPEN,
	CALL_CLOSE,
	CALL_DUP,
	CALL_MMAP_BAR,
	CALL_MMAP_RAM,
	CALL_MUNMAP,
	CALL_SET_CONTAINER,
	CALL_UNSET_CONTAINER,
	CALL_SET_IOMMU,
	CALL_GET_DEVICE,
	CALL_BAR_SIZE,
	CALL_MAP,
	CALL_UNMAP,
	CALL_RESET,
	CALL_DECODE,
	CALL_AVAILABLE,
	CALL_TOP,
	CALL_UNMAP_ALL_KNOWN,
	CALL_FORK,
	CALL_SEND,
	CALL_RECEIVE,
};

struct request {
	enum call call;
	int fd, other;
	uint32_t flags;
	uint64_t address, iova, size, offset;
	char text[24];
};

/* ---- the model ---- */

enum kind { NO_FILE, CONTAINER_FILE, GROUP_FILE, DEVICE_FILE };

struct handle {
	int process, fd, file;
};
struct vma {
	int process, file;
	bool ram;
	unsigned bar;
	uint64_t address, size, offset;
};
struct piece {
	int device;
	unsigned bar;
	uint64_t bar_offset, iova, size;
};
struct mapping {
	uint64_t iova, size, ram;
	bool read, write;
	pid_t creator;
	int pieces;
	struct piece piece[MOST_PIECES];
};

/* object: a container's slot, or a device, which stands for its group too */
struct file {
	enum kind kind;
	int object;
};
struct container_state {
	int serial; /* 0: there is none in this slot */
	bool iommu, v2;
	uint64_t top; /* the last IOVA that its IOMMU allows */
	int count;
	struct mapping mapping[MOST_MAPPINGS];
};
struct device_state {
	struct device *device;
	int container; /* of its group, or -1 */
	bool decode;
};

/*
 * The state of the model. There is one model a run and every operation changes it, so it is global.
 *
 * `handles` are the workers' descriptors and refer to `files`, as the kernel's do. `containers` is
 * indexed by slot, whose `serial` is 0 while it is free. `devices` has the lab's four.
 */
#define FILES 96
#define HANDLES 256
#define VMAS 256
extern struct file files[FILES];
extern struct handle handles[HANDLES];
extern struct vma vmas[VMAS];
extern int handle_count, vma_count;
extern struct container_state containers[CONTAINERS];
extern struct device_state devices[DEVICES];
/* only the creator may unmap: kernels before 6.0 */
extern bool owner_only;

int file_new(enum kind kind, int object);
void handle_add(int process, int fd, int file);
void handle_drop(int index);
void vma_add(struct vma vma);
void vma_cut(int process, uint64_t address, uint64_t size);
void process_drop(int process);
void process_copy(int from, int to);
/* Releases what nothing refers to any more, as the kernel does. */
void settle_model(void);
int handle_of(int process, enum kind kind, int object); /* an index, or -1 */
int files_of(enum kind kind, int object);
int groups_of(int container);
bool model_is_empty(void);

/*
 * What a mapping of `size` bytes at `address` of a process would cover. 0, or the errno with which
 * it fails.
 */
int cover(int process, uint64_t address, struct mapping *mapping);
bool overlaps(const struct container_state *c, uint64_t iova, uint64_t size);
void mapping_add(struct container_state *c, const struct mapping *mapping);
/* What UNMAP_DMA by a process returns; changes the model accordingly. */
int64_t unmap_in_model(struct container_state *c, pid_t pid, uint64_t iova, uint64_t size);
/* Whether that does not depend on the order in which the kernel visits the mappings. */
bool unmap_is_certain(const struct container_state *c, pid_t pid, uint64_t iova, uint64_t size);

/* ---- workers ---- */

struct process {
	pid_t pid;
	int socket, generation;
	uint64_t arena;
};
extern struct process processes[PROCESSES]; /* pid 0: none */

void worker_start(int slot);
void process_kill(int slot);
void worker_loop(int socket) __attribute__((noreturn));
int64_t call(int process, struct request request);
void call_batch(int process, const struct request *requests, int count);
void call_answers(int process, int64_t *results, int count);
int take_fd(int process); /* that the worker has sent */
int64_t give_fd(int process, int fd);

/* ---- operations ---- */

extern int operation; /* the index of the one at work */
/* [0, limit), from the generator of this operation */
uint64_t draw(uint64_t limit);
bool chance(unsigned percent);
void draw_from(uint64_t seed, int index);
void did(int process, int64_t result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The kernel and the model disagree: one of the two is wrong, and the run has failed. */
void surprise(int process, int64_t result, int64_t expected, const char *what);
static inline void expect(int process, int64_t result, int64_t expected, const char *what)
{
	if (result != expected)
		surprise(process, result, expected, what);
}

/* An operation: false when there is nothing to apply it to. */
#define OPERATION(weight, function) bool function(void);
#include "random.list"
#undef OPERATION

bool attach_device(int process, int container, int device);
bool open_device(int process, int device);
bool map_into(int process, int container, uint64_t address, uint64_t iova, uint64_t size,
	      uint32_t flags, const char *what);
bool pick_map_target(int *process, int *container);
uint64_t draw_iova(void);
uint64_t free_iova(const struct container_state *c, uint64_t size); /* or ~0 */

void quiet_point(int index);
int snapshot_ask(void);
bool snapshot_await(int before);

#endif
