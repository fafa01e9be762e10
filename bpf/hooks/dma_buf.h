/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hooks on dma-bufs of device memory (6.19 and later). The kernel revokes them while the device
 * cannot answer and, unlike with type1's mappings, has every importer unmap them first.
 */
#pragma once
#include "hooks/device.h"

/*
 * Arguments: vdev, flags, the caller's struct, its size. Returns the new descriptor, or 0 if the
 * caller only asked whether the feature is supported (VFIO_DEVICE_FEATURE_PROBE).
 */
static __always_inline void dma_buf_exported(uint64_t *arg, long ret, bool probed)
{
	struct vfio_pci_core_device *vdev = (void *)arg[0];
	struct vfio_pci_dma_buf *buffer;
	struct phys_vec *ranges;
	struct dma_buf *dmabuf;
	struct file *file;

	if ((int)ret < 0 || (uint32_t)arg[1] & VFIO_DEVICE_FEATURE_PROBE)
		return;
	file = file_of_descriptor(ret);
	dmabuf = file ? READ(file, private_data) : 0;
	buffer = dmabuf ? READ(dmabuf, priv) : 0;
	/* Another thread may already have closed the descriptor and reused its number. */
	if (!buffer || READ(buffer, vdev) != vdev) {
		count_failure(VS_DMA_BUF);
		return;
	}
	ranges = READ(buffer, phys_vec);
	EMIT (VS_DMA_BUF, vs_dma_buf, r) {
		struct inode *inode = READ(file, f_inode);

		r->buffer = (uint64_t)buffer;
		r->pci = pci_address(READ(vdev, pdev));
		r->inode = READ(inode, i_ino);
		r->bytes = READ(buffer, size);
		r->phys = READ(ranges, paddr);
		r->ranges = READ(buffer, nr_ranges);
		r->action = VS_EXPORTED;
		r->revoked = BPF_CORE_READ_BITFIELD_PROBED(buffer, revoked);
	}
}
HOOK_EXIT_BTF(vfio_pci_core_feature_dma_buf, dma_buf_exported)

/*
 * Arguments: vdev, revoked. When it returns, every importer has unmapped the buffers, or may map
 * them again. No record for a device without dma-bufs, the common case.
 */
static __always_inline void dma_buf_moved(uint64_t *arg, long ret, bool probed)
{
	struct vfio_pci_core_device *vdev = (void *)arg[0];
	struct list_head *first = READ(vdev, dmabufs.next);

	if (first == &vdev->dmabufs)
		return;
	EMIT (VS_DMA_BUF, vs_dma_buf, r) {
		r->pci = pci_address(READ(vdev, pdev));
		r->action = (uint8_t)arg[1] ? VS_REVOKED : VS_RESTORED;
	}
}
HOOK_EXIT_BTF(vfio_pci_dma_buf_move, dma_buf_moved)

/* The last descriptor and the last importer of a dma-buf are gone. */
SEC("fentry/vfio_pci_dma_buf_release") int fentry_vfio_pci_dma_buf_release(uint64_t *ctx)
{
	struct dma_buf *dmabuf = (void *)ctx[0];

	EMIT (VS_DMA_BUF, vs_dma_buf, r) {
		r->buffer = (uint64_t)READ(dmabuf, priv);
		r->pci = VS_NO_PCI;
		r->action = VS_RELEASED;
	}
	return 0;
}
