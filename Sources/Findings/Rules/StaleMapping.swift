// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D1 and D2: the device was released, and a mapping of its BAR is still in force.
struct StaleMapping: ExposureRule {
    let slug = "stale-mapping"
    let title = "A mapping outlives the release of the device that it leads to"
    let severities = Severity.medium...Severity.critical
    let condition = "its device is closed, and its driver keeps it for VFIO"
    let severityNote =
        "high; medium while the device does not answer, or no device of the container is open; one higher with the "
        + "MSI-X table"
    let weighsMSIXTable = true
    let durationWording = "was stale for"

    let explanation = """
        A container maps a BAR of a device for peer-to-peer DMA. Then the device's last descriptor is
        closed, and the mapping stays: VFIO's type1 backend recorded physical addresses and nothing about
        whose they are, so no release removes them. Every device of the container can still read or write
        the BAR through the IOMMU, although nobody has the device open.

        The device may have been in the mapping's own container (a virtual machine unplugged one of two
        devices and forgot the window) or in another one, whose user was never asked. The message states
        which.

        The severity is high while a DMA would reach the device. It is medium (latent) while the device is
        in D3hot or deeper, in reset, or has memory decode off: opening the device, which anyone with its
        group may do, wakes it. It is medium, too, while no device of the container is open, because then
        nothing can start a DMA; it is high from the moment that one is opened again. If someone else opens
        the device, this finding ends and isolation-break begins. If the mapped part is writable and holds
        the device's MSI-X table, the severity is one higher: a stray write there chooses which interrupt
        the device raises.

        Every ordinary teardown releases the device before its mappings. So a mapping that goes within the
        debounce is not reported, and neither is one whose container is being torn down, however long that
        takes: its processes have exited or its group is being detached, and no device of it is open (see
        teardown-stuck). If the same owner opens the device again, the finding resolves, and `since` and
        `until` state how long the mapping was stale.

        False positive: a program that closes a device and, on purpose, takes longer than the debounce to
        remove its mappings.
        """

    let kernelFacts = [
        "struct vfio_dma holds the creator's task and mm, and nothing about the target device (vfio_iommu_type1.c, "
            + "5.10 to 7.3).",
        "vfio_pci_core_disable (5.10: vfio_pci_disable) zaps CPU mappings only; the IOMMU's page tables stay (5.10 "
            + "to 7.3).",
        "vfio_pci_core_disable restores the PCI state saved at open, so memory decode is on after the last close.",
        "The 2021 series that removed such mappings on release (vma ops and a notifier for the IOMMU backend) was "
            + "never merged.",
    ]

    let advice = """
        Unmap the range (VFIO_IOMMU_UNMAP_DMA) before closing the device. In QEMU, look for a memory
        listener that was removed before its regions; in DPDK and SPDK, for a missing
        rte_vfio_container_dma_unmap or spdk_mem_unregister. Until then keep the device away from other
        users, or stop the mapping's owner.
        """

    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict? {
        guard exposure.standing == .closed else { return nil }
        let reachable = exposure.isReachable
        return Verdict(severity: reachable ? .high : .medium, reachable: reachable)
    }

    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String {
        let origin = exposure.peer.wereInSameContainer[exposure.index] ? "" : " The device was never in that container."
        let effect =
            exposure.unreachableReason.map { "a DMA would not arrive now, because \($0)" }
            ?? "devices of \(exposure.peer.container) can still \(exposure.access(graph)) it"
        return
            "\(exposure.place) is mapped by \(exposure.holder(graph)) \(exposure.at), but the device has been closed: "
            + "\(effect).\(origin)"
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A closes the network card and keeps the mapping of its BAR.", severity: .high) {
                $0.beginPeerToPeer()
                $0.close(1000)
                $0.advance(to: 2000)
            },
            silent: .init(
                "VM A closes the card and removes the mapping 400 ms later, as an ordinary teardown does."
            ) {
                $0.beginPeerToPeer()
                $0.close(1000)
                $0.unmap(1400)
                $0.advance(to: 2000)
            })
    }
}
