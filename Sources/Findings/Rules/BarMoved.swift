// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D6: the host gave a BAR another physical address under a mapping, which still leads to the old
/// one.
struct BarMoved: ExposureRule {
    let slug = "bar-moved"
    let title = "The host moved a BAR away from under a mapping of it"
    let severities = Severity.medium...Severity.critical
    let condition =
        "its BAR has another physical address than when it was mapped, or the device is gone and another BAR lies "
        + "there"
    let severityNote = "critical; medium while no device of the container is open"
    let weighsMSIXTable = true
    let watchesResidents = true

    let explanation = """
        A container maps a BAR, and then the host gives the BAR another physical address: a rescan finds
        the removed device again, or a BAR of the device, or of a neighbour behind the same bridge, is
        resized. The IOMMU's tables hold the physical addresses from the time at which the mapping was
        made, so devices of the container reach whatever lies there now. The message names the device at
        that place, if it is known. The rule also reports a device that is gone from the bus, once another
        device's BAR lies at its old address.

        While this holds, no other rule judges who has the device, because the mapping no longer leads to
        it. A BAR that changes its size in place has not moved, unless it shrinks to less than is mapped.

        The tool does not see a move that bypasses the kernel (setpci on the BAR registers).

        False positive: none is known, but no harm has been done yet while nothing lies at the old address.
        """

    let kernelFacts = [
        "vfio_pci virtualises the BAR registers: a user's write moves nothing, only the host can (vfio_config.c, "
            + "5.10 to 7.3).",
        "A rescan assigns the BARs of a removed device anew, first fit in the bridge's window "
            + "(pci_assign_resource, 5.10 to 7.3).",
        "Removing a device waits for VFIO's open descriptors, never for mappings of its BARs "
            + "(vfio_unregister_group_dev, 5.10 to 7.3).",
    ]

    let advice = """
        Unmap the range, or stop the mapping's owner, before the device at the old address is used. Treat
        what that device held meanwhile as disclosed and changed. Before a rescan or a resize, check with
        `vfioscope snapshot` for mappings of the devices behind that bridge.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        guard exposure.standing == .moved else { return nil }
        let resident = resident(exposure, graph)
        return Verdict(
            severity: exposure.reach == .possible ? .critical : .medium,
            reachable: exposure.reach == .possible && (resident?.isReachable ?? false),
            deviceOwner: resident.flatMap { $0.isOpen ? $0.opener : nil })
    }

    private func resident(_ exposure: borrowing Exposure, _ graph: borrowing Graph) -> Device? {
        graph.residents(exposure.peer, at: exposure.index).first?.device.flatMap { graph.device($0) }
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        let then = exposure.peer.bars[exposure.index], now = exposure.device.info.bars[Int(exposure.target.bar)]
        let moved =
            exposure.device.isRemoved
            ? "that device is gone from \(hex(then.address))"
            : now.size == 0
                ? "that BAR, which lay at \(hex(then.address)), has no address now"
                : now.address == then.address
                    ? "that BAR was cut from \(amount(then.size)) to \(amount(now.size))"
                    : "that BAR was moved from \(hex(then.address)) to \(hex(now.address))"
        let reach: String
        if let there = graph.residents(exposure.peer, at: exposure.index).first, let address = there.device,
            let resident = graph.device(address)
        {
            let user =
                resident.isOpen
                ? resident.opener.map { ", which \(graph.displayName(for: $0)) has open" } ?? ""
                : resident.info.driver.isEmpty ? "" : ", which the driver \(resident.info.driver.string) has"
            reach =
                "devices of \(exposure.peer.container) can \(exposure.access(graph)) "
                + "\(there.bar == 6 ? "the expansion ROM" : "BAR \(there.bar)") of \(address) "
                + "there now\(user)."
        } else {
            reach =
                "nothing that is known lies there now, and whatever gets these addresses next is open to devices of "
                + "\(exposure.peer.container)."
        }
        return "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at), but \(moved): \(reach)"
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A maps the BAR of the network card, and the host moves the BAR.", severity: .critical) {
                $0.beginPeerToPeer()
                $0.at(
                    1000, .barsAssigned(Scene.info(Scene.nic, group: Scene.nicGroup, bar: 0xf100_0000)), by: Scene.host)
                $0.advance(to: 2000)
            },
            silent: .init("VM A maps the BAR, and the host makes the BAR larger in its place.") {
                $0.beginPeerToPeer()
                var larger = Scene.nicInfo
                larger.bars[0].size *= 2
                $0.at(1000, .barsAssigned(larger), by: Scene.host)
                $0.advance(to: 2000)
            })
    }
}
