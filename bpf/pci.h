/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reads a PCI device's address, group and BARs from its struct pci_dev. */
#pragma once
#include "emit.h"
#include <linux/pci_regs.h>

static __always_inline uint64_t pci_address(struct pci_dev *pdev)
{
	struct pci_bus *bus = READ(pdev, bus);
	struct pci_bus___generic_domains *generic = (void *)bus;
	uint64_t domain = 0;

	if (!bus)
		return VS_NO_PCI;
	if (bpf_core_field_exists(generic->domain_nr)) {
		domain = READ(generic, domain_nr);
	} else {
		struct pci_sysdata *sysdata = READ(bus, sysdata);
		domain = READ(sysdata, domain);
	}
	return domain << 16 | (uint64_t)READ(bus, number) << 8 | (READ(pdev, devfn) & 0xff);
}

/* The pci_dev that contains a struct device, or NULL when the device is not on the PCI bus. */
static __always_inline struct pci_dev *pci_of_device(struct device *dev)
{
	struct bus_type *bus = READ(dev, bus);
	char name[4] = {};

	if (!bus)
		return 0;
	bpf_probe_read_kernel(name, sizeof(name), READ(bus, name));
	if (name[0] != 'p' || name[1] != 'c' || name[2] != 'i' || name[3] != 0)
		return 0;
	return (struct pci_dev *)((char *)dev - bpf_core_field_offset(struct pci_dev, dev));
}

#define IORESOURCE_MEM 0x200 /* include/linux/ioport.h */

/*
 * Whether COMMAND's memory bit is meaningful. A virtual function has none of its own: its memory is
 * enabled in the SR-IOV capability of its physical function.
 */
static __always_inline bool has_memory_enable(struct pci_dev *pdev)
{
	return !BPF_CORE_READ_BITFIELD_PROBED(pdev, no_command_memory);
}

/* 0xffffffff when there is no group. */
static __always_inline uint32_t group_number(struct iommu_group *group)
{
	return group ? READ(group, id) : 0xffffffff;
}

static __always_inline void fill_bars(struct vs_driver *record, struct pci_dev *pdev)
{
#pragma unroll
	for (int i = 0; i < VS_BARS; i++) {
		/*
		 * Not &pdev->resource[i]: CO-RE does not relocate an index, and the kernel's
		 * struct resource is larger than the one declared here.
		 */
		struct resource *resource =
			(void *)&pdev->resource[0] + i * bpf_core_type_size(struct resource);
		uint64_t start = READ(resource, start);
		uint64_t end = READ(resource, end);
		unsigned long flags = READ(resource, flags);

		if (!(flags & IORESOURCE_MEM) || !start || end <= start)
			continue;
		record->bars[i].address = start;
		record->bars[i].size = end - start + 1;
	}
}
