import Events
import MappingGraph

/// D3: the device has a new owner, another user or the host, and an old mapping reaches into it.
struct IsolationBreak: ExposureRule {
    let slug = "isolation-break"
    let title = "A mapping reaches a device that belongs to someone else now"
    let severities = Severity.critical...Severity.critical
    let weighsMSIXTable = true

    let explanation = """
        A container maps a BAR of a device; the device was then released and given to another user, in
        another container, or back to a driver of the host. The old mapping is still in the IOMMU, so
        devices of the first container read the new owner's data and overwrite it. Tests in a virtual
        machine have seen both, on every kernel from 5.10 to 7.3.

        Two owners are the same if they are one process, two of a virtual machine with one UUID (where one
        has none, of one name), or, if they are no virtual machines, two in the same container of a
        container runtime. A device counts as given away if its present opening is younger than the mapping; one that
        was open before the mapping was made is cross-container instead. An owner whose container is not
        known (iommufd, or tracing that began late) counts as another container.

        It is critical whether or not the device answers at the moment: its owner decides that, and does
        not know of the mapping.

        False positives: a live update by a new process whose command line names no VM, or another; a
        device that a host driver shares on purpose (a GPU's or an NVMe controller's memory, mapped
        through that driver).
        """

    let kernelFacts = [
        "VFIO_GROUP_GET_DEVICE_FD asks nothing of the IOMMU mappings that other containers hold (5.10 to 7.3).",
        "iommu_group_claim_dma_owner (5.19 and later) guards who may do DMA with a device, not who may do DMA to it.",
        "vfio_pci_remove waits for open descriptors, never for mappings: they survive unbind and rebind (5.10 to 7.3).",
    ]

    let advice = """
        Stop the mapping's owner, or have it unmap the range, before the device is used again; treat what the
        device held meanwhile as disclosed and changed. Then find out why the mapping survived: see
        `vfioscope explain stale-mapping`. On a host that moves devices between tenants, hand one over only
        after `vfioscope snapshot` shows no mapping of it.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        switch exposure.standing {
        case .givenAway:
            Verdict(severity: .critical, reachable: exposure.device.isReachable, deviceOwner: exposure.device.opener)
        case .hostDriver: Verdict(severity: .critical, reachable: exposure.device.isReachable)
        default: nil
        }
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        let owner: String
        if exposure.standing == .hostDriver {
            owner = "the host's driver \(exposure.device.info.driver.string) has the device"
        } else {
            let name = exposure.device.opener.map { graph.displayName(for: $0) } ?? "another process"
            owner = "the device was opened by \(name)" + (exposure.deviceContainer.map { " in \($0)" } ?? "")
        }
        return "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at), but \(owner) since: "
            + "devices of \(exposure.peer.container) can \(exposure.access(graph)) its memory."
    }
}
