/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * THE record layout: what bpf/ writes into the ring, what a recording stores, and what Swift
 * imports. There is no second copy.
 *
 * Every record is a multiple of 8 bytes, begins with struct vs_header, and holds only fixed-width
 * fields, so that a recording made on one machine reads on any other of the same byte order. Times
 * are nanoseconds since boot (CLOCK_BOOTTIME); sizes are bytes; kernel addresses serve as keys and
 * never leave the tool. A new field goes at the end of its record: readers take a longer record of
 * a known type, and fill a shorter one with zeros.
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
#define VS_COUNTERS 64 /* room for one counter a record type */

/* Values are stored in recordings: append, never renumber. */
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
	/* The present state: answers to what user space asks. */
	VS_SNAP_BEGIN = 30,
	VS_SNAP_END = 31,
	VS_SNAP_ROOT = 32,
	VS_SNAP_CONTAINER = 33,
	VS_SNAP_GROUP = 34,
	VS_SNAP_DEVICE = 35,
	VS_SNAP_WALK_BEGIN = 36,
	VS_SNAP_WALK_END = 37,
	VS_SNAP_MAP = 38,
	/* Made in user space, so that a recording is self-contained. */
	VS_DEVICE_INFO = 40,
	VS_PROCESS_INFO = 41,
	VS_LOSS = 42,
	/*
	 * What looks at the page tables of processes found, and what makes them look
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
/*
 * The map's facts are the user's own words, not the kernel's: it failed before there was a vfio_dma
 * to read them from.
 */
enum vs_map_flags {
	VS_MAP_FROM_USER = 1,
	VS_MAP_MORE_EXTENTS = 2,
	VS_MAP_VADDR_ONLY = 4,
	/*
	 * VS_SNAP_MAP, from vfio_dma.has_rsvd (6.18 and later): some of its pages are not RAM, or
	 * all are
	 */
	VS_MAP_HAS_RESERVED = 8,
	VS_MAP_ONLY_RAM = 16,
	/*
	 * VS_SNAP_MAP: nobody has the address space any more in which it was made
	 * (vfio_dma.mm->mm_users is 0)
	 */
	VS_MAP_MM_GONE = 32,
};

/*
 * What keeps the memory of a mapping, where that is shared: a file, if only one of the kernel's
 * own.
 */
enum vs_backing { VS_BACKING_FILE = 1, VS_BACKING_MEMFD = 2, VS_BACKING_ANONYMOUS = 3 };

/* What a snapshot asks of the step program. */
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

/* FOUND: a device that sysfs led to; nobody holds it by that, and the record stays in the tool. */
enum vs_root_kind {
	VS_ROOT_CONTAINER = 1,
	VS_ROOT_GROUP = 2,
	VS_ROOT_DEVICE = 3,
	VS_ROOT_FOUND = 4
};

struct vs_header {
	uint16_t type; /* enum vs_type */
	uint16_t size; /* bytes, this header included */
	uint32_t tid;
	uint64_t time;
	/* of the thread group's leader, with tgid the identity of a process */
	uint64_t start;
	uint64_t cgroup;
	uint32_t tgid;
	uint32_t uid;
	char comm[VS_COMM_BYTES];
};

/*
 * A PCI address packed as domain << 16 | bus << 8 | device << 3 | function; VS_NO_PCI for what is
 * not a PCI device.
 */
#define VS_NO_PCI 0xffffffffffffffffULL

struct vs_container {
	struct vs_header h;
	uint64_t container;
};

/*
 * VS_IOMMU_OPEN: `value` is the type that SET_IOMMU asked for; ATTACH and DETACH: the IOMMU group's
 * number.
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
	uint32_t number;    /* the IOMMU group's */
	int32_t ret;
};

/* open and close of one descriptor; enable (first open) and disable (last close) of the device */
struct vs_device {
	struct vs_header h;
	uint64_t device; /* struct vfio_device */
	uint64_t pci;
	uint32_t number; /* the IOMMU group's, 0xffffffff when not known here */
	/* as the kernel has it afterwards, 0xffffffff when not known here */
	uint32_t open_count;
	uint32_t command; /* PCI COMMAND as the user sees it, for enable */
	uint32_t reserved;
};

struct vs_bar_mmap {
	struct vs_header h;
	uint64_t pci;
	uint64_t vaddr;
	uint64_t size;
	uint64_t phys;
};

struct vs_map {
	struct vs_header h;
	uint64_t iommu;
	uint64_t dma; /* struct vfio_dma, 0 when there is none */
	uint64_t iova;
	uint64_t vaddr;
	uint64_t size;
	uint64_t device_bytes; /* of `size`: bytes whose pages lie in a PCI window */
	/* when the first page was pinned, under the iommu's lock; 0 when none was */
	uint64_t begin;
	int32_t ret;
	uint16_t prot;	  /* IOMMU_READ 1, IOMMU_WRITE 2 */
	uint16_t flags;	  /* enum vs_map_flags */
	uint32_t extents; /* how many VS_EXTENT records of this dma came before */
	uint32_t chunks;  /* physically contiguous runs that the kernel pinned */
	/*
	 * Of RAM that is mapped MAP_SHARED where it begins: this and what follows came later. 0 for
	 * private memory, and where nothing tells.
	 */
	uint32_t backing_kind;	 /* enum vs_backing */
	uint32_t backing_device; /* of the file's file system: major << 20 | minor */
	uint64_t backing_inode;
	uint64_t backing_offset; /* of `vaddr`, in bytes of the file */
};

/*
 * One contiguous run of device memory of the mapping under way in this thread; comes before its
 * VS_MAP.
 */
struct vs_extent {
	struct vs_header h;
	uint64_t dma;
	uint64_t iova;
	uint64_t phys;
	uint64_t bytes;
};

struct vs_remove {
	struct vs_header h;
	uint64_t iommu;
	uint64_t dma;
	uint64_t iova;
	uint64_t size;
	uint32_t flags; /* enum vs_remove_flags */
	uint32_t reserved;
};

struct vs_unmap {
	struct vs_header h;
	uint64_t iommu;
	uint64_t iova;
	uint64_t size; /* as the kernel returned it */
	int32_t ret;
	uint32_t flags; /* VFIO_DMA_UNMAP_FLAG_* */
	/* `size` as the user had asked, 0 when not known. It came later */
	uint64_t requested;
};

/* PCI state: VS_MEMORY, VS_RESET, VS_POWER, VS_PCI_REMOVE */
struct vs_pci {
	struct vs_header h;
	uint64_t pci;
	uint32_t value; /* MEMORY: COMMAND; RESET: enum vs_phase; POWER: pci_power_t */
	int32_t ret;
	uint32_t origin; /* enum vs_origin */
	uint32_t whole_bus;
};

struct vs_bar {
	uint64_t address;
	uint64_t size;
};

/*
 * VS_DRIVER (bind, unbind), VS_DEVICE_INFO (found in sysfs, or added to the bus) and VS_BAR_MOVE (a
 * BAR was given an address)
 */
struct vs_driver {
	struct vs_header h;
	uint64_t pci;
	uint32_t action; /* enum vs_driver_action; 0 but for VS_DRIVER */
	uint32_t number; /* the IOMMU group's, 0xffffffff when not known here */
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code;
	char driver[VS_DRIVER_BYTES];
	struct vs_bar bars[VS_BARS];
	/*
	 * Where the MSI-X table is, from config space: bytes 0 where that is not known here, or
	 * there is none. A shorter record has none of it.
	 */
	uint32_t msix_bar;
	uint32_t msix_offset;
	uint32_t msix_bytes;
	uint32_t reserved;
};

struct vs_exit {
	struct vs_header h;
};

enum vs_dma_buf_action { VS_EXPORTED = 1, VS_REVOKED = 2, VS_RESTORED = 3, VS_RELEASED = 4 };

/*
 * Device memory given out as a dma-buf. REVOKED and RESTORED are of all that the device has given
 * out: their `buffer` is 0.
 */
struct vs_dma_buf {
	struct vs_header h;
	uint64_t buffer; /* struct vfio_pci_dma_buf */
	uint64_t pci;	 /* VS_NO_PCI for RELEASED: the device may be closed */
	uint64_t inode;	 /* of the dma-buf's file, as fstat tells it; EXPORTED */
	uint64_t bytes;
	uint64_t phys; /* of the first range */
	uint32_t ranges;
	uint32_t action;  /* enum vs_dma_buf_action */
	uint32_t revoked; /* EXPORTED: the device does not answer, so it begins revoked */
	uint32_t reserved;
};

enum vs_kept_bar_action {
	/* The process keeps it where the kernel's zap does not reach it; it does not any more */
	VS_KEPT = 1,
	VS_LET_GO = 2,
	/*
	 * A process got an area of a BAR by fork, mremap or a split: reason to look. It stays in
	 * the tool, and has no address
	 */
	VS_COPIED = 3,
};

/* An area of a BAR in a process; the header tells the process. */
struct vs_kept_bar {
	struct vs_header h;
	uint64_t pci;
	uint64_t phys; /* of its first byte */
	uint64_t size;
	uint32_t action; /* enum vs_kept_bar_action */
	uint32_t reserved;
};

/* The process runs another program now, in another address space. */
struct vs_exec {
	struct vs_header h;
};

/* A process of the followed command begot another. */
struct vs_fork {
	struct vs_header h;
	uint64_t child_start;
	uint32_t child;
	uint32_t reserved;
};

struct vs_module {
	struct vs_header h;
	char name[VS_MODULE_BYTES];
};

enum vs_process_flags {
	/* memlock_limit and the next flag are known */
	VS_PROCESS_HAS_LIMITS = 1,
	/* CAP_IPC_LOCK in the initial user namespace: type1 asks nothing of RLIMIT_MEMLOCK then */
	VS_PROCESS_MAY_LOCK = 2,
};

/* The first ones ended behind `vm`. */
struct vs_process_info {
	struct vs_header h;
	char exe[VS_TEXT_BYTES];
	char vm[VS_TEXT_BYTES];
	char vm_uuid[VS_UUID_BYTES];
	char cgroup_path[VS_CGROUP_BYTES]; /* its end, where it is longer */
	/* arguments joined by blanks, what looks like a secret left out */
	char command[VS_COMMAND_BYTES];
	/* bytes, RLIMIT_MEMLOCK's soft limit; all ones for none */
	uint64_t memlock_limit;
	uint32_t flags; /* enum vs_process_flags */
	uint32_t reserved;
};

/*
 * VS_SNAP_WALK_END: as many as the kernel counts were found, and none was made or removed meanwhile
 */
enum vs_walk_flags { VS_WALK_CONSISTENT = 1 };

/* VS_SNAP_BEGIN, _END, _WALK_BEGIN (object: the iommu), _WALK_END (value: mappings walked) */
struct vs_snap_mark {
	struct vs_header h;
	uint64_t object;
	uint64_t value;
	/*
	 * _WALK_END: vfio_iommu.dma_avail. This and `flags` came later: a shorter mark counts as
	 * consistent
	 */
	uint32_t available;
	uint32_t flags; /* enum vs_walk_flags */
};

/*
 * A file of VFIO that a task holds, by descriptor or by a BAR mapping; the header tells the task.
 */
struct vs_snap_root {
	struct vs_header h;
	uint64_t object;
	uint64_t file;
	uint32_t kind; /* enum vs_root_kind */
	uint32_t by_mapping;
};

struct vs_snap_container {
	struct vs_header h;
	uint64_t container;
	uint64_t iommu;	    /* 0 when there is none, or not type1's */
	uint32_t available; /* vfio_iommu.dma_avail: how many more mappings it takes */
	uint32_t type;	    /* VFIO_TYPE1_IOMMU 1, VFIO_TYPE1v2_IOMMU 3 */
};

struct vs_snap_device {
	struct vs_header h;
	uint64_t device;
	uint64_t group;
	uint64_t pci;
	uint32_t number;
	uint32_t open_count;
	uint32_t command; /* as the user sees it, while open */
	uint32_t power;	  /* pci_power_t */
};

/*
 * `lost` records were never delivered, somewhere after `since` and before this record's own time.
 */
struct vs_loss {
	struct vs_header h;
	uint64_t since;
	uint64_t lost;
};

/* One a record type: delivered = attempted - dropped, exactly. */
struct vs_counter {
	uint64_t attempted;
	uint64_t dropped;
};

/* All in one, per CPU, so that reading them is one system call. */
struct vs_counters {
	struct vs_counter of[VS_COUNTERS]; /* enum vs_type */
};

/*
 * A kretprobe does not see the arguments: its kprobe leaves them here. Only on kernels without
 * fexit. What is still here when its thread enters the function anew, or is no more, tells of a
 * return that was missed.
 */
struct vs_saved_key {
	uint32_t tid;
	uint16_t hook;
	uint16_t depth; /* of calls within calls */
};

struct vs_saved_args {
	uint64_t arg[6];
	uint64_t stack; /* pointer at entry: a call within has a lower one */
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
VS_ASSERT(sizeof(struct vs_snap_device) == 96);
VS_ASSERT(sizeof(struct vs_saved_key) == 8);
VS_ASSERT(sizeof(struct vs_saved_args) == 64);
VS_ASSERT(VS_TYPE_MAX < VS_COUNTERS);

#endif
