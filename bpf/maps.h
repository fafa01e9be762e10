/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every map, and the settings that user space writes before the load. */
#pragma once
#include "kernel_types.h"
#include "records.h"
#include <linux/bpf.h>

#define MAX_WINDOWS 16

struct window {
	uint64_t first;
	uint64_t last;
};

/* Physical ranges of the host bridges: device memory lies in them, RAM never does. */
const volatile struct window pci_windows[MAX_WINDOWS];
const volatile uint32_t pci_window_count;
const volatile uint32_t page_shift = 12;
/*
 * Bytes waiting in the ring at which the consumer is woken; below it a timer in user space collects
 * them.
 */
const volatile uint64_t wakeup_bytes = 1 << 20;
/* Loss on purpose, for tests: one record in this many is dropped and counted; 0 is never. */
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
 * The mapping that a thread is making: filled page run by page run, emptied when the ioctl returns.
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
	/* what the unmap request under way asks for: the kernel writes over the user's own */
	uint64_t unmap_size;
};

/* Linux 5.11 and later: no hash, and it dies with its thread. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct map_state);
} map_states SEC(".maps");

/* Linux 5.10: by thread id, the longest unused one giving way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, uint32_t);
	__type(value, struct map_state);
} map_states_5_10 SEC(".maps");

/* Processes that have used VFIO: whose end is worth a record. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, uint32_t);
	__type(value, uint64_t);
} owners SEC(".maps");

/* The followed command's processes, by thread group. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, uint32_t);
	__type(value, uint8_t);
} tree SEC(".maps");

/*
 * Devices put under an IOMMU domain, counted from before VFIO is loaded: whether anything was
 * missed until its hooks are attached.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint64_t);
} domain_attaches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct vs_saved_key);
	__type(value, struct vs_saved_args);
} saved SEC(".maps");
