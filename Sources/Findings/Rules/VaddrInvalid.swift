import Events
import MappingGraph

/// D12: a live update took the user addresses of mappings away and did not give them back.
struct VaddrInvalid: ContainerRule {
    let slug = "vaddr-invalid"
    let title = "Mappings are without a user address for too long"
    let severities = Severity.medium...Severity.medium
    let patienceNanoseconds: UInt64 = 60_000_000_000

    let explanation = """
        VFIO_DMA_UNMAP_FLAG_VADDR succeeded: the mappings stay in the IOMMU, but the kernel has no user
        address for them until VFIO_DMA_MAP_FLAG_VADDR gives one. A live update does that: the old process
        takes the addresses away, the new one gives its own. Until then devices do DMA as before, and the
        kernel waits or fails where it needs the address (mediated devices that pin pages, another group
        that is to be attached).

        It takes 60 seconds instead of the ordinary debounce, because a live update takes a moment. What
        counts is bytes: those taken away, less those given back or unmapped.

        False positive: a live update that takes longer on purpose.
        """

    let kernelFacts = [
        "VFIO_CHECK_EXTENSION has VFIO_UPDATE_VADDR if the container has no mediated device (6.1 to 7.3), and not at "
            + "all in 5.10.",
        "The flags are not in 5.10; vfio_dma.vaddr_invalid changes nothing in the IOMMU (6.1 to 7.3).",
        "6.1 and later: attaching a group fails with EBUSY while an address is missing "
            + "(vfio_iommu_type1_attach_group).",
    ]

    let advice = """
        Find out what became of the process that was to take over; it has to call VFIO_IOMMU_MAP_DMA with
        VFIO_DMA_MAP_FLAG_VADDR for every range, or unmap it.
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
            + "\(who) took it away, and nobody gave one back."
    }
}
