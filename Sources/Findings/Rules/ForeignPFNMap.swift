import Events
import MappingGraph

/// D21: device memory that did not come from VFIO was mapped.
struct ForeignPFNMap: ExposureRule {
    let slug = "foreign-pfnmap"
    let title = "A mapping of device memory that the device's VFIO file did not give"
    let severities = Severity.high...Severity.critical
    let weighsMSIXTable = true

    let explanation = """
        A container mapped a BAR while nobody had the device open through VFIO. The pages came to the
        process another way: /sys/bus/pci/devices/*/resourceN, /dev/mem, or the mmap of another driver
        (GPU, RDMA, NVMe controller memory buffer). type1 takes any such VMA. Nothing ties the mapping to
        the device: its driver may be unbound, the device reset or removed, and whoever has it now was
        not asked.

        It holds for as long as the mapping does, whoever opens the device later. It comes beside
        stale-mapping or isolation-break, which say who has the device now; this one says that it was
        never theirs. It is said only of mappings that were seen being made while the device was known to
        be closed: not of what a snapshot finds, and not within a loss of records.

        False positives: GPU or RDMA peer-to-peer that maps a driver's BAR on purpose.
        """

    let kernelFacts = [
        "vaddr_get_pfn(s) takes every VM_PFNMAP VMA that follow_fault_pfn resolves to an invalid or reserved pfn "
            + "(5.10 to 7.3).",
        "A VMA of a VFIO device file holds that file: while one exists the device counts as open "
            + "(vfio_device_fops_mmap, 5.10 to 7.3).",
        "The 2021 series that would have limited PFNMAP maps to VFIO's own memory was never merged; iommufd refuses "
            + "them all.",
    ]

    let advice = """
        Map the BAR through its device's VFIO file (VFIO_DEVICE_GET_REGION_INFO and mmap), or pass a dma-buf
        (7.3 and later, with iommufd). If a driver of the host shares it on purpose, say so in a policy.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        guard exposure.peer.wereKnownClosed[exposure.index] else { return nil }
        return Verdict(
            severity: .high, reachable: exposure.device.isReachable,
            deviceOwner: exposure.device.isOpen ? exposure.device.opener : nil)
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at), though nobody had the device open "
            + "through VFIO when that was done: "
            + "the memory came from sysfs, /dev/mem or another driver."
    }
}
