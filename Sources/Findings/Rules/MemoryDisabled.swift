// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D5: the device is open, a mapping of its BAR is in force, and the BAR does not answer.
struct MemoryDisabled: ExposureRule {
    let slug = "memory-disabled"
    let title = "A mapping leads to device memory that is disabled"
    let severities = Severity.medium...Severity.medium
    let condition = "its device is open and does not answer"

    let explanation = """
        A device is open and mapped for peer-to-peer DMA, and its memory does not answer: memory decode is
        off in its command register, it is in reset, or it is in D3hot or deeper. VFIO then removes the BAR
        from the CPUs' page tables, but leaves it in the IOMMU. A DMA to it ends as an Unsupported Request
        or a completion time-out, which some platforms treat as fatal for the whole host (firmware-first
        error handling).

        False positives: virtual machine monitors write the command register before they unmap, and guests
        reset devices when they reboot. Both last milliseconds, less than the debounce.
        """

    let kernelFacts = [
        "vfio_pci_zap_and_down_write_memory_lock removes CPU mappings only (5.10 to 7.3).",
        "5.10 does not even zap CPU mappings when the user puts the device into D3hot; 6.1 and later do.",
        "dma-buf exports are revoked (vfio_pci_dma_buf_move, 7.3); type1 mappings are not.",
    ]

    let advice = """
        Unmap the BAR before disabling memory, resetting or suspending the device, and map it again
        afterwards.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        guard exposure.isOpen, exposure.standing != .hostDriver, !exposure.device.isReachable,
            !exposure.device.isClosing
        else { return nil }
        return Verdict(severity: .medium, reachable: false, deviceOwner: exposure.device.opener)
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        let reason = exposure.unreachableReason ?? "the device does not answer"
        return "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at), but \(reason): "
            + "a DMA to it fails and may be reported as a fatal error."
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init(
                "VM A turns the network card's memory decode off while the BAR is mapped.", severity: .medium
            ) {
                $0.beginPeerToPeer()
                $0.at(1000, .memoryDecode(Scene.nic, enabled: false, by: .vfio))
                $0.advance(to: 2000)
            },
            silent: .init("VM A turns it on again 400 ms later, as a guest does that sizes the BARs.") {
                $0.beginPeerToPeer()
                $0.at(1000, .memoryDecode(Scene.nic, enabled: false, by: .vfio))
                $0.at(1400, .memoryDecode(Scene.nic, enabled: true, by: .vfio))
                $0.advance(to: 2000)
            })
    }
}
