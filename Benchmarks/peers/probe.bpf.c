/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The yardstick in the kernel: a hand-written libbpf program that emits vs_map, vs_remove and
 * vs_unmap, and does nothing else. It loads fields directly, counts no losses, wakes nobody, and
 * runs only on kernels with module BTF and bpf_get_func_ret. With `streams` it emits each pinned
 * run, too.
 */
#include "kernel_ints.h"
#include "records.h"
#include <linux/bpf.h>
#include <linux/vfio.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct {
	struct task_struct *group_leader;
	uint64_t start_boottime;
};
struct super_block {
	unsigned int s_dev;
};
struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
};
struct qstr {
	char *name;
};
struct dentry {
	struct qstr d_name;
};
struct path {
	struct dentry *dentry;
};
struct file {
	struct inode *f_inode;
	struct path f_path;
};
struct vm_area_struct {
	unsigned long vm_start, vm_pgoff, vm_flags;
	struct file *vm_file;
};
struct vfio_dma {
	uint64_t iova;
	unsigned long vaddr;
	unsigned long size;
	int prot;
};
#pragma clang attribute pop

const volatile uint64_t window_first, window_last; /* the host bridge's window, which holds BARs */
const volatile bool streams;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

struct making {
	uint64_t dma, begin, iova, vaddr, pinned, device_bytes, unmap_size;
	uint32_t chunks, prot;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct making);
} makings SEC(".maps");

struct user_map {
	uint32_t argsz, flags;
	uint64_t vaddr, iova, size;
};
struct user_unmap {
	uint32_t argsz, flags;
	uint64_t iova, size;
};

struct backing {
	uint64_t vaddr, inode, offset;
	uint32_t device, kind;
};

static __always_inline void *begin(uint16_t type, uint16_t size)
{
	struct vs_header *h = bpf_ringbuf_reserve(&ring, size, 0);
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	uint64_t id;

	if (!h)
		return 0;
	id = bpf_get_current_pid_tgid();
	__builtin_memset(h, 0, size);
	h->type = type;
	h->size = size;
	h->tid = (uint32_t)id;
	h->tgid = id >> 32;
	h->time = bpf_ktime_get_boot_ns();
	h->start = task->group_leader->start_boottime;
	h->cgroup = bpf_get_current_cgroup_id();
	h->uid = (uint32_t)bpf_get_current_uid_gid();
	bpf_get_current_comm(h->comm, sizeof(h->comm));
	return h;
}

static __always_inline struct making *making(uint64_t flags)
{
	return bpf_task_storage_get(&makings, (void *)bpf_get_current_task_btf(), 0, flags);
}

SEC("fexit/vfio_pin_pages_remote") int fexit_pin(uint64_t *ctx)
{
	struct vfio_dma *dma = (void *)ctx[0];
	struct making *m = making(BPF_LOCAL_STORAGE_GET_F_CREATE);
	uint64_t ret = 0, pfn = 0, bytes;

	bpf_get_func_ret(ctx, &ret);
	if (!m)
		return 0;
	if (ctx[1] == dma->vaddr) {
		m->dma = (uint64_t)dma;
		m->begin = bpf_ktime_get_boot_ns();
		m->iova = dma->iova;
		m->vaddr = ctx[1];
		m->prot = dma->prot;
		m->pinned = m->device_bytes = 0;
		m->chunks = 0;
	}
	if ((long)ret <= 0)
		return 0;
	bpf_probe_read_kernel(&pfn, sizeof(pfn), (void *)ctx[3]);
	bytes = ret << 12;
	if (streams) {
		struct vs_extent *r = begin(VS_EXTENT, sizeof(*r));

		if (r) {
			r->dma = m->dma;
			r->iova = m->iova + m->pinned;
			r->phys = pfn << 12;
			r->bytes = bytes;
			bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
		}
	}
	m->chunks++;
	if (pfn << 12 >= window_first && pfn << 12 <= window_last)
		m->device_bytes += bytes;
	m->pinned += bytes;
	return 0;
}

static long area(struct task_struct *task, struct vm_area_struct *vma, struct backing *b)
{
	struct file *file = vma->vm_file;
	uint64_t word = 0;

	if (!(vma->vm_flags & 8) || !file)
		return 0;
	b->inode = file->f_inode->i_ino;
	b->device = file->f_inode->i_sb->s_dev;
	b->offset = (vma->vm_pgoff << 12) + b->vaddr - vma->vm_start;
	bpf_probe_read_kernel(&word, sizeof(word), file->f_path.dentry->d_name.name);
	b->kind = word == 0x6f72657a2f766564ULL			    ? VS_BACKING_ANONYMOUS
		  : (word & 0xffffffffffffULL) == 0x3a64666d656dULL ? VS_BACKING_MEMFD
								    : VS_BACKING_FILE;
	return 0;
}

static __always_inline int mapped(uint64_t iommu, uint64_t arg, int ret)
{
	struct making *m = making(0);
	struct backing b = {};
	struct user_map user;
	struct vs_map *r;

	if (m && m->dma && !m->device_bytes) {
		b.vaddr = m->vaddr;
		bpf_find_vma((void *)bpf_get_current_task_btf(), m->vaddr, area, &b, 0);
	}
	r = begin(VS_MAP, sizeof(*r));
	if (!r)
		return 0;
	r->iommu = iommu;
	r->ret = ret;
	if (m && m->dma) {
		r->dma = m->dma;
		r->begin = m->begin;
		r->iova = m->iova;
		r->vaddr = m->vaddr;
		r->size = m->pinned;
		r->prot = m->prot;
		r->device_bytes = m->device_bytes;
		r->chunks = m->chunks;
		r->backing_kind = b.kind;
		r->backing_device = b.device;
		r->backing_inode = b.inode;
		r->backing_offset = b.offset;
		m->dma = 0;
	} else {
		bpf_probe_read_user(&user, sizeof(user), (void *)arg);
		r->iova = user.iova;
		r->vaddr = user.vaddr;
		r->size = user.size;
		r->prot = user.flags & 3;
		r->flags = VS_MAP_FROM_USER;
	}
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline int unmapped(uint64_t iommu, uint64_t arg, int ret)
{
	struct making *m = making(0);
	struct user_unmap user;
	struct vs_unmap *r = begin(VS_UNMAP, sizeof(*r));

	if (!r)
		return 0;
	bpf_probe_read_user(&user, sizeof(user), (void *)arg);
	r->iommu = iommu;
	r->iova = user.iova;
	r->size = user.size;
	r->flags = user.flags;
	r->ret = ret;
	r->requested = m ? m->unmap_size : 0;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("fentry/vfio_iommu_type1_ioctl") int fentry_ioctl(uint64_t *ctx)
{
	struct making *m;
	struct user_unmap user;

	if ((uint32_t)ctx[1] != VFIO_IOMMU_UNMAP_DMA ||
	    !(m = making(BPF_LOCAL_STORAGE_GET_F_CREATE)))
		return 0;
	bpf_probe_read_user(&user, sizeof(user), (void *)ctx[2]);
	m->unmap_size = user.size;
	return 0;
}

SEC("fexit/vfio_iommu_type1_ioctl") int fexit_ioctl(uint64_t *ctx)
{
	uint64_t ret = 0;

	if (!ctx[0])
		return 0;
	bpf_get_func_ret(ctx, &ret);
	return (uint32_t)ctx[1] == VFIO_IOMMU_MAP_DMA	  ? mapped(ctx[0], ctx[2], ret)
	       : (uint32_t)ctx[1] == VFIO_IOMMU_UNMAP_DMA ? unmapped(ctx[0], ctx[2], ret)
							  : 0;
}

SEC("fentry/vfio_remove_dma") int fentry_remove(uint64_t *ctx)
{
	struct vfio_dma *dma = (void *)ctx[1];
	struct vs_remove *r = begin(VS_REMOVE, sizeof(*r));

	if (!r)
		return 0;
	r->iommu = ctx[0];
	r->dma = ctx[1];
	r->iova = dma->iova;
	r->size = dma->size;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
