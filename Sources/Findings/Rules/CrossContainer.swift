// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D4: peer-to-peer DMA between two containers while the target is in use.
struct CrossContainer: ExposureRule {
    let slug = "cross-container"
    let title = "A mapping leads to a device that is in use in another container"
    let severities = Severity.info...Severity.high
    let condition = "its device has been open in another container since before the mapping was made"
    let severityNote = "high; medium while no device of the container is open; info if one owner has both"

    let explanation = """
        A container maps a BAR of a device whose group is in another container, and that device has been
        open since before the mapping was made. VFIO allows this: whoever can mmap the BAR, or receives a
        descriptor of it, may map it for DMA anywhere. But then the two containers are not isolated from
        each other, and a release of the device will leave the mapping stale, because neither side is
        notified about the other.

        The severity is info if one process, or one virtual machine, has both: that is one program with
        several containers. It is high if two different owners are involved. A device that someone else
        opened after the mapping was made is isolation-break.

        False positives: programs that share descriptors on purpose, such as a device manager and its
        workers.
        """

    let kernelFacts = [
        "vfio_pin_map_dma accepts any VM_PFNMAP page that follow_pfn resolves and does not check its device (5.10 "
            + "to 7.3).",
        "Detaching the target's group leaves other containers' mappings of its BARs in place (5.10 to 7.3).",
    ]

    let advice = """
        Put devices that do DMA to each other into one container. Where two owners share on purpose, have
        the one that maps unmap before the other closes the device.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        let severity: Severity
        switch exposure.standing {
        case .sameOwnerElsewhere: severity = .info
        case .otherOwnerElsewhere: severity = exposure.reach == .possible ? .high : .medium
        default: return nil
        }
        return Verdict(severity: severity, reachable: exposure.isReachable, deviceOwner: exposure.device.opener)
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        let owner = exposure.device.opener.map { graph.displayName(for: $0) } ?? "another process"
        let elsewhere = exposure.deviceContainer.map { "\($0) (\(owner))" } ?? owner
        return
            "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at) while the device is in use in "
            + "\(elsewhere): "
            + "the two containers are not isolated from each other."
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init(
                "VM A maps the BAR of the network card, which VM B has open in container c2.", severity: .high
            ) {
                $0.beginPeerToPeer(nicIn: Scene.c2, nicOpener: Scene.vmB)
                $0.advance(to: 2000)
            },
            silent: .init("The same, but VM B has the card open in VM A's own container.") {
                $0.beginPeerToPeer(nicIn: Scene.c1, nicOpener: Scene.vmB)
                $0.advance(to: 2000)
            })
    }
}
