import Events
import MappingGraph

/// D4: peer-to-peer between two containers while the target is in use.
struct CrossContainer: ExposureRule {
    let slug = "cross-container"
    let title = "A mapping leads to a device that is in use in another container"
    let severities = Severity.info...Severity.high

    let explanation = """
        A container maps a BAR of a device whose group is in another container, and that device has been
        open since before the mapping was made. VFIO allows it: whoever can mmap the BAR, or gets a
        descriptor passed, may map it for DMA anywhere. But the two containers are not isolated from each
        other then, and a release of the device will leave the mapping stale, because neither side hears
        of the other.

        It is info when one process, or one virtual machine, has both: that is one program with several
        containers. It is high when two different owners are involved. A device that was opened by
        someone else after the mapping was made is isolation-break.

        False positives: programs that share descriptors on purpose, a device manager and its workers.
        """

    let kernelFacts = [
        "vfio_pin_map_dma takes any VM_PFNMAP page that follow_pfn resolves and asks nothing about its device (5.10 "
            + "to 7.3).",
        "Detaching the target's group leaves other containers' mappings of its BARs in place (5.10 to 7.3).",
    ]

    let advice = """
        Put devices that do DMA to each other into one container. Where two owners share on purpose, have the
        one that maps unmap before the other closes the device.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        let severity: Severity
        switch exposure.standing {
        case .sameOwnerElsewhere: severity = .info
        case .otherOwnerElsewhere: severity = .high
        default: return nil
        }
        return Verdict(severity: severity, reachable: exposure.device.isReachable, deviceOwner: exposure.device.opener)
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        let owner = exposure.device.opener.map { graph.displayName(for: $0) } ?? "another process"
        let elsewhere = exposure.deviceContainer.map { "\($0) (\(owner))" } ?? owner
        return
            "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at) while the device is in use in "
            + "\(elsewhere): "
            + "the two containers are not isolated from each other."
    }
}
