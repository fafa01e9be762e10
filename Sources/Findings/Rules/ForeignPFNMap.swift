// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D21: device memory that did not come from VFIO was mapped.
struct ForeignPFNMap: ExposureRule {
    let slug = "foreign-pfnmap"
    let title = "A mapping of device memory that did not come from the device's VFIO file"
    let severities = Severity.high...Severity.critical
    let condition = "it was made while nobody had the device open through VFIO"
    let severityNote = "high; critical with the MSI-X table"
    let weighsMSIXTable = true

    let explanation = """
        A container mapped a BAR while nobody had the device open through VFIO. The process got the pages
        another way: /sys/bus/pci/devices/…/resourceN, /dev/mem, or the mmap of another driver (GPU, RDMA,
        NVMe controller memory buffer). type1 accepts any such VMA. Nothing ties the mapping to the device:
        its driver may be unbound, the device reset or removed, and its present owner was not asked.

        The condition holds as long as the mapping exists, whoever opens the device later. The finding
        comes in addition to stale-mapping or isolation-break: those report who has the device now, this
        one reports that the mapping never had a right to it. The map call must have been traced while the
        device was known to be closed: mappings that a snapshot finds, or that are made within a loss of
        records, do not count.

        False positives: peer-to-peer DMA of a GPU or RDMA card that maps a driver's BAR on purpose.
        """

    let kernelFacts = [
        "vaddr_get_pfn(s) accepts every VM_PFNMAP VMA that follow_fault_pfn resolves to an invalid or reserved pfn "
            + "(5.10 to 7.3).",
        "A VMA of a VFIO device file holds that file: while one exists the device counts as open "
            + "(vfio_device_fops_mmap, 5.10 to 7.3).",
        "The 2021 series that would have limited PFNMAP maps to VFIO's own memory was never merged; iommufd "
            + "refuses them all.",
    ]

    let advice = """
        Map the BAR through its device's VFIO file (VFIO_DEVICE_GET_REGION_INFO and mmap), or pass a
        dma-buf (7.3 and later, with iommufd). If a driver of the host shares it on purpose, allow it in a
        policy.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        guard exposure.peer.wereKnownClosed[exposure.index] else { return nil }
        return Verdict(
            severity: .high, reachable: exposure.device.isReachable,
            deviceOwner: exposure.device.isOpen ? exposure.device.opener : nil)
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at), although nobody had the device "
            + "open through VFIO when it was mapped: the memory came from sysfs, /dev/mem or another driver."
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A maps the BAR of the network card after it has closed the card.", severity: .high) {
                $0.beginPeerToPeer()
                $0.unmap(200)
                $0.close(1000)
                $0.mapNIC(1100)
                $0.advance(to: 2000)
            },
            silent: .init("VM A maps the BAR before it closes the card: that is stale-mapping.") {
                $0.beginPeerToPeer()
                $0.unmap(200)
                $0.mapNIC(900)
                $0.close(1000)
                $0.advance(to: 2000)
            })
    }
}
