// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D12: a live update took the user addresses of mappings away and did not supply new ones.
struct VaddrInvalid: ContainerRule {
    let slug = "vaddr-invalid"
    let title = "Mappings are without a user address for too long"
    let severities = Severity.medium...Severity.medium
    let condition = "user addresses were taken away and not supplied again, for 60 s"
    let kernels = "5.12 and later"
    let patienceNanoseconds: UInt64 = 60_000_000_000

    let explanation = """
        VFIO_DMA_UNMAP_FLAG_VADDR succeeded: the mappings stay in the IOMMU, but the kernel has no user
        address for them until VFIO_DMA_MAP_FLAG_VADDR supplies one. A live update does that: the old
        process takes the addresses away, the new one supplies its own. Until then devices do DMA as
        before, and the kernel waits or fails where it needs the address (mediated devices that pin pages,
        attaching another group).

        The rule waits 60 seconds instead of the ordinary debounce, because a live update takes a moment.
        It counts bytes: those taken away, less those supplied again or unmapped.

        False positive: a live update that takes longer on purpose.
        """

    let kernelFacts = [
        "VFIO_CHECK_EXTENSION reports VFIO_UPDATE_VADDR if the container has no mediated device (6.1 to 7.3), and "
            + "never in 5.10.",
        "The flags do not exist in 5.10; vfio_dma.vaddr_invalid changes nothing in the IOMMU (6.1 to 7.3).",
        "6.1 and later: attaching a group fails with EBUSY while an address is missing "
            + "(vfio_iommu_type1_attach_group).",
    ]

    let advice = """
        Find out what happened to the process that was to take over. It must call VFIO_IOMMU_MAP_DMA with
        VFIO_DMA_MAP_FLAG_VADDR for every range, or unmap the range.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        container.vaddrInvalid > 0 ? Verdict(severity: .medium, actor: container.vaddrInvalidBy) : nil
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        let who =
            container.vaddrInvalidBy.map { "\(graph.displayName(for: $0)) (pid \($0.process.pid))" } ?? "a process"
        return
            "\(amount(container.vaddrInvalid)) of \(container.mappings(graph)) of \(container.id) have no user "
            + "address: "
            + "\(who) took it away, and nobody has supplied a new one."
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init(
                "VM A takes the address of a mapping away, and nobody supplies a new one for a minute.",
                severity: .medium
            ) {
                $0.beginWithRAM()
                $0.unmapReturns(1000, iova: 0, size: 0x40_0000, flags: UnmapRequest.vaddrFlag)
                $0.advance(to: 62_000)
            },
            silent: .init("VM B supplies a new one after 59 seconds.") {
                $0.beginWithRAM()
                $0.unmapReturns(1000, iova: 0, size: 0x40_0000, flags: UnmapRequest.vaddrFlag)
                $0.at(
                    60_000, .map(MapRequest(iommu: Scene.i1, iova: 0, size: 0x40_0000, vaddrOnly: true)), by: Scene.vmB)
                $0.advance(to: 62_000)
            })
    }
}
