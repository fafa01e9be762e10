/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The layout of every record: bpf/ writes it into the ring, a recording stores it, and Swift
 * imports it. There is no second copy.
 *
 * Every record begins with struct vs_header, is a multiple of 8 bytes long and holds only
 * fixed-width fields, so that a recording made on one machine can be read on any other of the same
 * byte order. Times are nanoseconds since boot (CLOCK_BOOTTIME); sizes are bytes; kernel addresses
 * serve as keys: recordings hold them, but no output does. A new field goes at the end of its
 * record: a reader accepts a record that is longer than it expects, and fills a shorter one with
 * zeros. Comments mark such fields "added later": the records of older versions end before them.
 */
#ifndef VFIOSCOPE_RECORDS_H
#define VFIOSCOPE_RECORDS_H

#ifdef __bpf__
#include "kernel_ints.h"
#else
#include <stdint.h>
#endif

#define VS_COMM_BYTES 16
#define VS_DRIVER_BYTES 32
#define VS_TEXT_BYTES 128
#define VS_BARS 7 /* six BARs and the expansion ROM, as in pci_dev.resource[0..6] */
#define VS_MODULE_BYTES 56
#define VS_UUID_BYTES 40
#define VS_CGROUP_BYTES 512
#define VS_COMMAND_BYTES 1024
#define VS_COUNTERS 64 /* one counter for each possible record type */

/* The values are stored in recordings: append new ones, never renumber. */
enum vs_type {
	VS_CONTAINER_OPEN = 1,
	VS_CONTAINER_CLOSE = 2,
	VS_IOMMU_OPEN = 3,
	VS_IOMMU_RELEASE = 4,
	VS_IOMMU_ATTACH = 5,
	VS_IOMMU_DETACH = 6,
	VS_GROUP_OPEN = 7,
	VS_GROUP_CLOSE = 8,
	VS_GROUP_ATTACH = 9,
	VS_GROUP_DETACH = 10,
	VS_DEVICE_OPEN = 11,
	VS_DEVICE_CLOSE = 12,
	VS_DEVICE_ENABLE = 13,
	VS_DEVICE_DISABLE = 14,
	VS_BAR_MMAP = 15,
	VS_MAP = 16,
	VS_EXTENT = 17,
	VS_REMOVE = 18,
	VS_UNMAP = 19,
	VS_MEMORY = 20,
	VS_RESET = 21,
	VS_POWER = 22,
	VS_DRIVER = 23,
	VS_PCI_REMOVE = 24,
	VS_EXIT = 25,
	VS_MODULE = 26,
	VS_FORK = 27,
	VS_BAR_MOVE = 28,
	VS_EXEC = 29,
	/* A snapshot: the present state, sent when user space asks for it (enum vs_ask). */
	VS_SNAP_BEGIN = 30,
	VS_SNAP_END = 31,
	VS_SNAP_ROOT = 32,
	VS_SNAP_CONTAINER = 33,
	VS_SNAP_GROUP = 34,
	VS_SNAP_DEVICE = 35,
	VS_SNAP_WALK_BEGIN = 36,
	VS_SNAP_WALK_END = 37,
	VS_SNAP_MAP = 38,
	/* Made in user space, so that a recording can be read without the machine it describes. */
	VS_DEVICE_INFO = 40,
	VS_PROCESS_INFO = 41,
	VS_LOSS = 42,
	/*
	 * Results of scanning the page tables of processes, and what triggers a scan
	 * (bpf/kept_bars.h).
	 */
	VS_KEPT_BAR = 43,
	VS_DMA_BUF = 46,
	VS_TYPE_MAX = 63,
};

enum vs_phase { VS_BEGIN = 1, VS_END = 2 };
enum vs_origin { VS_BY_VFIO = 1, VS_BY_HOST = 2 };
enum vs_driver_action { VS_BOUND = 1, VS_UNBOUND = 2 };
enum vs_remove_flags { VS_REMOVE_FAILED_MAP = 1 };
enum vs_map_flags {
	/*
	 * The fields were copied from the caller's struct, not from a vfio_dma: the request failed
	 * before the kernel had made one, or pinned nothing.
	 */
	VS_MAP_FROM_USER = 1,
	/* There were more extents than records of them: some device memory is not described. */
	VS_MAP_MORE_EXTENTS = 2,
	/* VFIO_DMA_MAP_FLAG_VADDR: gives existing mappings a new user address (live update). */
	VS_MAP_VADDR_ONLY = 4,
	/*
	 * VS_SNAP_MAP only, from vfio_dma.has_rsvd (6.18 and later): some of the mapping's pages
	 * are not RAM (HAS_RESERVED), or all of them are (ONLY_RAM).
	 */
	VS_MAP_HAS_RESERVED = 8,
	VS_MAP_ONLY_RAM = 16,
	/*
	 * VS_SNAP_MAP only: no process uses the address space in which the mapping was made any
	 * more (vfio_dma.mm->mm_users is 0).
	 */
	VS_MAP_MM_GONE = 32,
	/*
	 * VS_SNAP_MAP only, set by the tool: the IOMMU's page table could not be read, so it is
	 * unknown whether the mapping leads to RAM or to device memory.
	 */
	VS_MAP_TARGET_UNKNOWN = 64,
};
/* For the number of levels of a page table. */
enum { VS_NO_DOMAIN = 255 };
enum vs_device_flags {
	/* The device is bound to an iommufd, which holds its mappings (6.2 and later). */
	VS_DEVICE_IOMMUFD = 1,
};

/*
 * What backs shared memory. All shared memory has a file; memfd and shared anonymous memory have an
 * internal one of shmem's.
 */
enum vs_backing { VS_BACKING_FILE = 1, VS_BACKING_MEMFD = 2, VS_BACKING_ANONYMOUS = 3 };

/* A question of user space to the snapshot's step program (bpf/snapshot.h). */
enum vs_ask {
	VS_ASK_BEGIN = 1,
	VS_ASK_END,
	VS_ASK_WALK_BEGIN,
	VS_ASK_WALK_END,
	VS_ASK_DEVICE,
	VS_ASK_GROUP,
	VS_ASK_CONTAINER,
	VS_ASK_TABLE,
};

/*
 * What a VS_SNAP_ROOT record refers to. FOUND is a device that was reached through sysfs: it does
 * not mean that a process holds the device, and the record stays within the tool.
 */
enum vs_root_kind {
	VS_ROOT_CONTAINER = 1,
	VS_ROOT_GROUP = 2,
	VS_ROOT_DEVICE = 3,
	VS_ROOT_FOUND = 4
};

/*
 * Begins every record: which record it is, when it was made, and the thread that made it (or, where
 * a record says so, the process that it describes).
 */
struct vs_header {
	uint16_t type; /* enum vs_type */
	uint16_t size; /* of the record in bytes, including this header */
	uint32_t tid;
	uint64_t time;
	/* start time of the thread group's leader: with tgid, it identifies a process */
	uint64_t start;
	uint64_t cgroup;
	uint32_t tgid;
	uint32_t uid;
	char comm[VS_COMM_BYTES];
};

/*
 * PCI addresses are packed as domain << 16 | bus << 8 | device << 3 | function. VS_NO_PCI stands
 * for a device that is not on the PCI bus.
 */
#define VS_NO_PCI 0xffffffffffffffffULL

struct vs_container {
	struct vs_header h;
	uint64_t container;
};

/*
 * VS_IOMMU_OPEN, _RELEASE, _ATTACH, _DETACH. `value` is the IOMMU type that VFIO_SET_IOMMU asked
 * for (OPEN), or the number of the IOMMU group (ATTACH, DETACH).
 */
struct vs_iommu {
	struct vs_header h;
	uint64_t iommu;
	uint32_t value;
	int32_t ret;
	uint32_t phase; /* enum vs_phase, for DETACH and RELEASE */
	uint32_t reserved;
};

struct vs_group {
	struct vs_header h;
	uint64_t group;
	uint64_t container; /* 0 for open and close */
	uint32_t number;    /* of the IOMMU group */
	int32_t ret;
};

/*
 * VS_DEVICE_OPEN and _CLOSE of one descriptor; VS_DEVICE_ENABLE (first open) and _DISABLE (last
 * close) of the device.
 */
struct vs_device {
	struct vs_header h;
	uint64_t device; /* struct vfio_device */
	uint64_t pci;
	uint32_t number; /* of the IOMMU group; 0xffffffff when unknown */
	/* after the call, as the kernel counts; 0xffffffff when unknown */
	uint32_t open_count;
	uint32_t command; /* PCI COMMAND as the user sees it, for enable */
	uint32_t flags;	  /* vs_device_flags, for VS_DEVICE_OPEN */
};

/* A process has mapped (part of) a BAR through a VFIO device's descriptor. */
struct vs_bar_mmap {
	struct vs_header h;
	uint64_t pci;
	uint64_t vaddr;
	uint64_t size;
	uint64_t phys;
};

/* VS_MAP: a map request has returned. VS_SNAP_MAP: a mapping that a snapshot found. */
struct vs_map {
	struct vs_header h;
	uint64_t iommu;
	uint64_t dma; /* struct vfio_dma, 0 when there is none */
	uint64_t iova;
	uint64_t vaddr;
	uint64_t size;
	uint64_t device_bytes; /* how many of the `size` bytes lie in a PCI window */
	/* when the first page was pinned, under the iommu's lock; 0 when none was pinned */
	uint64_t begin;
	int32_t ret;
	uint16_t prot;	  /* IOMMU_READ 1, IOMMU_WRITE 2 */
	uint16_t flags;	  /* enum vs_map_flags */
	uint32_t extents; /* how many VS_EXTENT records of this dma precede this record */
	uint32_t chunks;  /* physically contiguous runs that the kernel pinned */
	/*
	 * Added later: the file that backs the mapping's first page, if that page is RAM mapped
	 * MAP_SHARED. 0 for private memory, and where it is unknown.
	 */
	uint32_t backing_kind;	 /* enum vs_backing */
	uint32_t backing_device; /* of the file's file system: major << 20 | minor */
	uint64_t backing_inode;
	uint64_t backing_offset; /* of `vaddr` within the file, bytes */
};

/*
 * One physically contiguous run of device memory in the mapping that this thread is making. It
 * precedes the mapping's VS_MAP record.
 */
struct vs_extent {
	struct vs_header h;
	uint64_t dma;
	uint64_t iova;
	uint64_t phys;
	uint64_t bytes;
};

/* The kernel removes one mapping: on request, in a teardown, or because the map request failed. */
struct vs_remove {
	struct vs_header h;
	uint64_t iommu;
	uint64_t dma;
	uint64_t iova;
	uint64_t size;
	uint32_t flags; /* enum vs_remove_flags */
	uint32_t reserved;
};

/* An unmap request has returned; a VS_REMOVE for each mapping that it removed precedes it. */
struct vs_unmap {
	struct vs_header h;
	uint64_t iommu;
	uint64_t iova;
	uint64_t size; /* removed bytes, as the kernel wrote them into the caller's struct */
	int32_t ret;
	uint32_t flags; /* VFIO_DMA_UNMAP_FLAG_* */
	/* Added later: the `size` that the caller asked for, 0 when unknown. */
	uint64_t requested;
};

/* A PCI device's state changes: VS_MEMORY, VS_RESET, VS_POWER, VS_PCI_REMOVE. */
struct vs_pci {
	struct vs_header h;
	uint64_t pci;
	uint32_t value; /* MEMORY: the COMMAND register; RESET: enum vs_phase; POWER: pci_power_t */
	int32_t ret;
	uint32_t origin; /* enum vs_origin */
	uint32_t whole_bus;
};

struct vs_bar {
	uint64_t address;
	uint64_t size;
};

/*
 * A PCI device with its driver and BARs: VS_DRIVER (bound, unbound), VS_DEVICE_INFO (found in
 * sysfs, or added to the bus) and VS_BAR_MOVE (one of its BARs was assigned an address).
 */
struct vs_driver {
	struct vs_header h;
	uint64_t pci;
	uint32_t action; /* enum vs_driver_action; 0 for the other two records */
	uint32_t number; /* of the IOMMU group; 0xffffffff when unknown */
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code;
	char driver[VS_DRIVER_BYTES];
	struct vs_bar bars[VS_BARS];
	/*
	 * Added later: where the MSI-X table lies, from config space. `msix_bytes` is 0 when there
	 * is no table, or its place is unknown.
	 */
	uint32_t msix_bar;
	uint32_t msix_offset;
	uint32_t msix_bytes;
	uint32_t reserved;
};

/* The last thread of a process that used VFIO exits. */
struct vs_exit {
	struct vs_header h;
};

enum vs_dma_buf_action { VS_EXPORTED = 1, VS_REVOKED = 2, VS_RESTORED = 3, VS_RELEASED = 4 };

/*
 * Device memory exported as a dma-buf. REVOKED and RESTORED concern every dma-buf of the device:
 * their `buffer` is 0.
 */
struct vs_dma_buf {
	struct vs_header h;
	uint64_t buffer; /* struct vfio_pci_dma_buf */
	uint64_t pci;	 /* VS_NO_PCI for RELEASED: the device may be closed */
	uint64_t inode;	 /* EXPORTED: of the dma-buf's file, as fstat returns it */
	uint64_t bytes;
	uint64_t phys; /* of the first range */
	uint32_t ranges;
	uint32_t action;  /* enum vs_dma_buf_action */
	uint32_t revoked; /* EXPORTED: the device does not answer, so the buffer begins revoked */
	uint32_t reserved;
};

enum vs_kept_bar_action {
	/* The process keeps an area of a BAR that the kernel's zap does not reach. */
	VS_KEPT = 1,
	/* It no longer keeps the area. Made in user space. */
	VS_LET_GO = 2,
	/*
	 * A fork, mremap or split has given a process an area of a BAR, which is a reason to scan.
	 * Such a record has no address, and stays within the tool.
	 */
	VS_COPIED = 3,
};

/* An area of a BAR in the address space of a process, which the header names. */
struct vs_kept_bar {
	struct vs_header h;
	uint64_t pci;
	uint64_t phys; /* of its first byte */
	uint64_t size;
	uint32_t action; /* enum vs_kept_bar_action */
	uint32_t reserved;
};

/* A process that uses VFIO has called execve: it runs in a new address space. */
struct vs_exec {
	struct vs_header h;
};

/* A process of the followed command (`run`, `record`) has forked another. */
struct vs_fork {
	struct vs_header h;
	uint64_t child_start;
	uint32_t child;
	uint32_t reserved;
};

/* A module whose name begins with "vfio" is being loaded. */
struct vs_module {
	struct vs_header h;
	char name[VS_MODULE_BYTES];
};

enum vs_process_flags {
	/* `memlock_limit` and VS_PROCESS_MAY_LOCK are known. */
	VS_PROCESS_HAS_LIMITS = 1,
	/* CAP_IPC_LOCK in the initial user namespace: type1 then ignores RLIMIT_MEMLOCK. */
	VS_PROCESS_MAY_LOCK = 2,
};

/* What /proc shows of the process in the header. Everything after `vm` was added later. */
struct vs_process_info {
	struct vs_header h;
	char exe[VS_TEXT_BYTES];
	char vm[VS_TEXT_BYTES];
	char vm_uuid[VS_UUID_BYTES];
	char cgroup_path[VS_CGROUP_BYTES]; /* a longer path loses its beginning */
	/* the arguments, separated by blanks, without what looks like a secret */
	char command[VS_COMMAND_BYTES];
	/* RLIMIT_MEMLOCK's soft limit in bytes; all ones when there is no limit */
	uint64_t memlock_limit;
	uint32_t flags; /* enum vs_process_flags */
	uint32_t reserved;
};

/*
 * VS_SNAP_WALK_END: the walk found as many mappings as the kernel counts, and none was made or
 * removed meanwhile.
 */
enum vs_walk_flags { VS_WALK_CONSISTENT = 1 };

/*
 * Marks in a snapshot: VS_SNAP_BEGIN, _END, _WALK_BEGIN and _WALK_END. For the last two, `object`
 * is the iommu; for the last, `value` is the number of mappings found.
 */
struct vs_snap_mark {
	struct vs_header h;
	uint64_t object;
	uint64_t value;
	/*
	 * Added later, for _WALK_END: vfio_iommu.dma_avail, and flags. A mark without them counts
	 * as consistent.
	 */
	uint32_t available;
	uint32_t flags; /* enum vs_walk_flags */
};

/*
 * A file of VFIO that a task holds, by a descriptor or by a mapping of a BAR. The header names the
 * task.
 */
struct vs_snap_root {
	struct vs_header h;
	uint64_t object;
	uint64_t file;
	uint32_t kind; /* enum vs_root_kind */
	uint32_t by_mapping;
};

/* A container that a snapshot found. */
struct vs_snap_container {
	struct vs_header h;
	uint64_t container;
	uint64_t iommu;	    /* 0 when there is none, or it is not type1's */
	uint32_t available; /* vfio_iommu.dma_avail: how many more mappings the kernel allows */
	uint32_t type;	    /* VFIO_TYPE1_IOMMU 1, VFIO_TYPE1v2_IOMMU 3 */
};

/* A device that a snapshot found. */
struct vs_snap_device {
	struct vs_header h;
	uint64_t device;
	uint64_t group;
	uint64_t pci;
	uint32_t number;
	uint32_t open_count;
	uint32_t command; /* COMMAND as the user sees it; 0 unless the device is open */
	uint32_t power;	  /* pci_power_t */
	uint32_t flags;	  /* vs_device_flags */
	uint32_t reserved;
};

/* Between `since` and this record's own time, `lost` records were not delivered. */
struct vs_loss {
	struct vs_header h;
	uint64_t since;
	uint64_t lost;
};

/* For each record type: delivered = attempted - dropped, exactly. */
struct vs_counter {
	uint64_t attempted;
	uint64_t dropped;
};

/* All counters of a CPU in one map value, so that one system call reads them. */
struct vs_counters {
	struct vs_counter of[VS_COUNTERS]; /* enum vs_type */
};

/*
 * Key and value of the map in which a kprobe saves a function's arguments for its kretprobe, which
 * cannot see them. Used only on kernels without fexit. Arguments that are still there when their
 * thread enters the function again, or has exited, show that a return was missed.
 */
struct vs_saved_key {
	uint32_t tid;
	uint16_t hook;
	uint16_t depth; /* how many calls of this function the thread is in already */
};

struct vs_saved_args {
	uint64_t arg[6];
	uint64_t stack; /* stack pointer at entry: a nested call has a lower one */
	uint32_t type;	/* of the record that is lost if the return is missed */
	uint32_t reserved;
};

#ifdef __cplusplus
#define VS_ASSERT(what) static_assert(what, #what)
#else
#define VS_ASSERT(what) _Static_assert(what, #what)
#endif
VS_ASSERT(sizeof(struct vs_header) == 56);
VS_ASSERT(sizeof(struct vs_container) == 64);
VS_ASSERT(sizeof(struct vs_iommu) == 80);
VS_ASSERT(sizeof(struct vs_group) == 80);
VS_ASSERT(sizeof(struct vs_device) == 88);
VS_ASSERT(sizeof(struct vs_bar_mmap) == 88);
VS_ASSERT(sizeof(struct vs_map) == 152);
VS_ASSERT(sizeof(struct vs_extent) == 88);
VS_ASSERT(sizeof(struct vs_remove) == 96);
VS_ASSERT(sizeof(struct vs_unmap) == 96);
VS_ASSERT(sizeof(struct vs_pci) == 80);
VS_ASSERT(sizeof(struct vs_driver) == 240);
VS_ASSERT(sizeof(struct vs_module) == 112);
VS_ASSERT(sizeof(struct vs_fork) == 72);
VS_ASSERT(sizeof(struct vs_dma_buf) == 112);
VS_ASSERT(sizeof(struct vs_kept_bar) == 88);
VS_ASSERT(sizeof(struct vs_process_info) == 1904);
VS_ASSERT(sizeof(struct vs_loss) == 72);
VS_ASSERT(sizeof(struct vs_snap_mark) == 80);
VS_ASSERT(sizeof(struct vs_snap_root) == 80);
VS_ASSERT(sizeof(struct vs_snap_container) == 80);
VS_ASSERT(sizeof(struct vs_snap_device) == 104);
VS_ASSERT(sizeof(struct vs_saved_key) == 8);
VS_ASSERT(sizeof(struct vs_saved_args) == 64);
VS_ASSERT(VS_TYPE_MAX < VS_COUNTERS);

#endif
