// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D3b: the device has no driver, or is gone, and a mapping of its BAR is still in force.
struct UnboundDevice: ExposureRule {
    let slug = "unbound-device"
    let title = "A mapping leads to a device that has no driver or is gone"
    let severities = Severity.medium...Severity.high
    let severityNote = "high; medium while no device of the container is open"
    let condition = "its device has no driver, or is gone from the bus"

    let explanation = """
        A device was unbound from its driver, or removed from the bus, and a container still maps its BAR.
        Unbinding waits until nobody has the device open, but it does not wait for mappings. The next
        driver, or the next device that gets the same addresses, is open to the devices of that container
        from its first moment.

        If a driver of the host takes the device, this finding ends and isolation-break begins; if vfio-pci
        takes it again, stale-mapping begins.

        While no device of the container is open, nothing can start a DMA, and the severity is medium.

        False positive: a rebind that takes longer than the debounce.
        """

    let kernelFacts = [
        "vfio_unregister_group_dev waits for references to the device, never for mappings (5.10 to 7.3).",
        "A mapping of 4 MiB was still in place after unbind had finished, on 5.10, 6.1, 6.12, 6.18 and 7.3.",
    ]

    let advice = """
        Unmap the range, or stop the mapping's owner, before binding another driver or reusing the slot.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        switch exposure.standing {
        case .unbound, .removed:
            Verdict(severity: exposure.reach == .possible ? .high : .medium, reachable: exposure.isReachable)
        default: nil
        }
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        let what =
            exposure.standing == .removed
            ? "the device is gone: whatever gets its addresses next is open to devices of \(exposure.peer.container)"
            : "the device has no driver: whoever gets it next is open to devices of \(exposure.peer.container)"
        return "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at), but \(what)."
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init(
                "VM A closes the network card and keeps its mapping; the host unbinds vfio-pci.", severity: .high
            ) {
                $0.beginPeerToPeer()
                $0.close(1000)
                $0.unbind(1100)
                $0.advance(to: 2000)
            },
            silent: .init("The same, but vfio-pci has the card again 400 ms later: then it is stale-mapping.") {
                $0.beginPeerToPeer()
                $0.close(1000)
                $0.unbind(1100)
                $0.bind(1500, "vfio-pci")
                $0.advance(to: 3000)
            })
    }
}
