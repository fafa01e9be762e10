/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Maps, and the settings that user space writes into read-only data before it loads the object.
 * (snapshot*.h and kept_bars.h have a few of their own.)
 */
#pragma once
#include "kernel_types.h"
#include "records.h"
#include <linux/bpf.h>

#define MAX_WINDOWS 16

struct window {
	uint64_t first;
	uint64_t last;
};

/* Physical ranges that the host bridges decode: device memory lies in them, RAM never does. */
const volatile struct window pci_windows[MAX_WINDOWS];
const volatile uint32_t pci_window_count;
const volatile uint32_t page_shift = 12;
/*
 * The consumer is woken when this many bytes wait in the ring. Below that, a timer in user space
 * collects them.
 */
const volatile uint64_t wakeup_bytes = 1 << 20;
/* For tests: one record in this many is dropped on purpose and counted; 0 for none. */
const volatile uint32_t inject_loss;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct vs_counters);
} counters SEC(".maps");

/*
 * What a thread is doing: the mapping that it is making (filled run by run as pages are pinned,
 * reset when the ioctl returns), its unmap request, and whether it is within a config write.
 */
struct map_state {
	uint64_t dma;
	uint64_t begin;
	uint64_t iova;
	uint64_t vaddr;
	uint64_t requested;
	uint64_t pinned;
	uint64_t device_bytes;
	uint64_t run_iova; /* the extent being folded */
	uint64_t run_phys;
	uint64_t run_bytes;
	uint32_t extents;
	uint32_t chunks;
	uint16_t prot;
	uint16_t flags;
	uint32_t in_config_write; /* this thread is within vfio_basic_config_write */
	/* size of the unmap request under way: the kernel overwrites it in the caller's struct */
	uint64_t unmap_size;
};

/* Linux 5.11 and later: task storage needs no hash look-up, and is freed with its thread. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct map_state);
} map_states SEC(".maps");

/* Linux 5.10: by thread id; the least recently used entry is evicted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, uint32_t);
	__type(value, struct map_state);
} map_states_5_10 SEC(".maps");

/* Processes that have used VFIO, by thread group: their execve and exit are recorded. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, uint32_t);
	__type(value, uint64_t);
} owners SEC(".maps");

/* Processes of the followed command, by thread group (hooks/process.h). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, uint32_t);
	__type(value, uint8_t);
} tree SEC(".maps");

/*
 * How many devices were attached to an IOMMU domain while VFIO's modules had not been hooked yet:
 * if any, VFIO may have been used unobserved.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint64_t);
} domain_attaches SEC(".maps");

/* Arguments on their way from a kprobe to its kretprobe (hook.h). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct vs_saved_key);
	__type(value, struct vs_saved_args);
} saved SEC(".maps");
