// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D3: the device has a new owner, another user or the host, and an old mapping still reaches it.
struct IsolationBreak: ExposureRule {
    let slug = "isolation-break"
    let title = "A mapping reaches a device that belongs to someone else now"
    let severities = Severity.medium...Severity.critical
    let condition = "since the mapping was made, its device was given to another user or to a host driver"
    let severityNote = "critical; medium while no device of the container is open"
    let weighsMSIXTable = true

    let explanation = """
        A container maps a BAR of a device. The device was then released and given to another user in
        another container, or back to a driver of the host. The old mapping is still in the IOMMU, so
        devices of the first container can read the new owner's data and overwrite it. Tests in a virtual
        machine have shown both on every kernel from 5.10 to 7.3.

        Two processes are one owner if they are the same process, or belong to virtual machines with the
        same UUID (the same name, if one has no UUID). Processes outside virtual machines are one owner if
        they run in the same container of a container runtime. A device counts as given away if it was
        opened after the mapping was made; if it was open before, the rule is cross-container. An owner
        whose container is not known (iommufd, or tracing that began late) counts as another container.

        The severity is critical whether or not the device answers at the moment: its owner decides that,
        and does not know about the mapping. It is medium while no device of the mapping's container is
        open, because then nothing can start a DMA; it is critical from the moment that one is opened.

        False positives: a live update by a new process whose command line names no virtual machine, or
        another one; a device that a host driver shares on purpose (the memory of a GPU or an NVMe
        controller, mapped through that driver).
        """

    let kernelFacts = [
        "VFIO_GROUP_GET_DEVICE_FD does not check the IOMMU mappings that other containers hold (5.10 to 7.3).",
        "iommu_group_claim_dma_owner (5.19 and later) guards who may do DMA with a device, not who may do DMA to it.",
        "vfio_pci_remove waits for open descriptors, never for mappings: they survive unbind and rebind (5.10 to "
            + "7.3).",
    ]

    let advice = """
        Stop the mapping's owner, or have it unmap the range, before the device is used again. Treat what
        the device held meanwhile as disclosed and changed. Then find out why the mapping survived: see
        `vfioscope explain stale-mapping`. On a host that moves devices between tenants, hand a device over
        only after `vfioscope snapshot` shows no mapping of it.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        switch exposure.standing {
        case .givenAway:
            Verdict(severity: severity(exposure), reachable: exposure.isReachable, deviceOwner: exposure.device.opener)
        case .hostDriver: Verdict(severity: severity(exposure), reachable: exposure.isReachable)
        default: nil
        }
    }

    private func severity(_ exposure: borrowing Exposure) -> Severity {
        exposure.reach == .possible ? .critical : .medium
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        let owner: String
        if exposure.standing == .hostDriver {
            owner = "the host's driver \(exposure.device.info.driver.string) has since taken the device"
        } else {
            let name = exposure.device.opener.map { graph.displayName(for: $0) } ?? "another process"
            owner = "\(name) has since opened the device" + (exposure.deviceContainer.map { " in \($0)" } ?? "")
        }
        return "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at), but \(owner): "
            + "devices of \(exposure.peer.container) can \(exposure.access(graph)) its memory"
            + (exposure.reach == .possible ? "." : " as soon as one of them is opened.")
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init(
                "VM A closes the network card and keeps its mapping; VM B opens the card in another container.",
                severity: .critical
            ) {
                $0.beginPeerToPeer()
                $0.close(1000)
                $0.at(1100, .groupDetach(Scene.nicGroup, Scene.c1))
                $0.at(1200, .containerOpen(Scene.c2), by: Scene.vmB)
                $0.at(1200, .groupAttach(Scene.nicGroup, Scene.c2), by: Scene.vmB)
                $0.open(1300, by: Scene.vmB)
                $0.advance(to: 2000)
            },
            silent: .init("The same, but both processes run the virtual machine web-1: a live update.") {
                $0.beginPeerToPeer()
                $0.name(Scene.vmA, "web-1", at: 200)
                $0.name(Scene.vmB, "web-1", at: 200)
                $0.close(1000)
                $0.at(1100, .groupDetach(Scene.nicGroup, Scene.c1))
                $0.at(1200, .containerOpen(Scene.c2), by: Scene.vmB)
                $0.at(1200, .groupAttach(Scene.nicGroup, Scene.c2), by: Scene.vmB)
                $0.open(1300, by: Scene.vmB)
                $0.advance(to: 2000)
            })
    }
}
