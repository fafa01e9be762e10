/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hooks on the driver model: a PCI device is bound to a driver or unbound, removed or added, and
 * its BARs are assigned addresses.
 */
#pragma once
#include "hook.h"
#include "pci.h"

static __always_inline void emit_pci_dev(uint32_t type, struct pci_dev *pdev, uint32_t action)
{
	struct device *dev = (void *)pdev + bpf_core_field_offset(struct pci_dev, dev);
	struct device_driver *driver = READ(dev, driver);
	struct iommu_group *group = READ(dev, iommu_group);

	EMIT (type, vs_driver, r) {
		r->pci = pci_address(pdev);
		r->action = action;
		r->number = group_number(group);
		r->vendor = READ(pdev, vendor);
		r->device = READ(pdev, device);
		r->class_code = READ(pdev, class);
		if (driver)
			bpf_probe_read_kernel_str(r->driver, sizeof(r->driver), READ(driver, name));
		fill_bars(r, pdev);
	}
}

static __always_inline void driver_change(struct device *dev, uint32_t action)
{
	struct pci_dev *pdev = pci_of_device(dev);

	if (pdev)
		emit_pci_dev(VS_DRIVER, pdev, action);
}

static __always_inline void bound(uint64_t *arg, bool probed)
{
	driver_change((void *)arg[0], VS_BOUND);
}
HOOK_ENTRY(driver_bound, bound)

/* 6.1 and later: called after a driver's remove, and after a probe that failed. */
static __always_inline void unbound(uint64_t *arg, bool probed)
{
	driver_change((void *)arg[0], VS_UNBOUND);
}
SEC("fentry/device_unbind_cleanup") int fentry_device_unbind_cleanup(uint64_t *ctx)
{
	unbound(ctx, false);
	return 0;
}

static __always_inline void released(uint64_t *arg, long ret, bool probed)
{
	driver_change((void *)arg[0], VS_UNBOUND);
}
HOOK_EXIT_PROBE(__device_release_driver, HOOK_UNBIND, VS_DRIVER, released)

static __always_inline void pci_removed(uint64_t *arg, bool probed)
{
	struct pci_dev *pdev = (void *)arg[0];

	EMIT (VS_PCI_REMOVE, vs_pci, r)
		r->pci = pci_address(pdev);
}
HOOK_ENTRY(pci_stop_bus_device, pci_removed)

/*
 * The last step of a hot-plug or a rescan: the BARs have their addresses, and no driver is bound
 * yet.
 */
static __always_inline void pci_added(uint64_t *arg, bool probed)
{
	emit_pci_dev(VS_DEVICE_INFO, (void *)arg[0], 0);
}
HOOK_ENTRY(pci_bus_add_device, pci_added)

/*
 * Arguments: pdev, resno. A BAR was assigned an address, in a rescan or because it or a neighbour
 * was resized. Resources beyond the ROM are windows of bridges and BARs of virtual functions.
 */
static __always_inline void bar_assigned(uint64_t *arg, long ret, bool probed)
{
	if ((int)ret || (int)arg[1] >= VS_BARS)
		return;
	emit_pci_dev(VS_BAR_MOVE, (void *)arg[0], 0);
}
HOOK_EXIT(pci_assign_resource, HOOK_ASSIGN, VS_BAR_MOVE, bar_assigned)
