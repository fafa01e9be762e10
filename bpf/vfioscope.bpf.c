// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// The BPF object: every program for every kernel from 5.10 on. User space loads those that the
// running kernel can attach (README.md).
#include "hooks/container.h"
#include "hooks/group.h"
#include "hooks/device.h"
#include "hooks/type1_ioctl.h"
#include "hooks/memory_state.h"
#include "hooks/driver.h"
#include "hooks/dma_buf.h"
#include "hooks/process.h"
#include "snapshot.h"
#include "kept_bars.h"

/*
 * Never read. It brings the layout of every record into the object's BTF, where ObjectTests
 * compares it with the layout that Swift imported.
 */
struct every_record {
	struct vs_container container;
	struct vs_iommu iommu;
	struct vs_group group;
	struct vs_device device;
	struct vs_bar_mmap bar_mmap;
	struct vs_map map;
	struct vs_extent extent;
	struct vs_remove remove;
	struct vs_unmap unmap;
	struct vs_pci pci;
	struct vs_driver driver;
	struct vs_exit exit;
	struct vs_exec exec;
	struct vs_module module;
	struct vs_fork fork;
	struct vs_dma_buf dma_buf;
	struct vs_kept_bar kept_bar;
	struct vs_snap_mark snap_mark;
	struct vs_snap_root snap_root;
	struct vs_snap_container snap_container;
	struct vs_snap_device snap_device;
};
const volatile struct every_record *const volatile every_record = 0;

char LICENSE[] SEC("license") = "Dual BSD/GPL";
