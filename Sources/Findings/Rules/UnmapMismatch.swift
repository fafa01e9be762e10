import Events
import MappingGraph

/// D13: an unmap request did not do what its result says.
struct UnmapMismatch: EventRule {
    let slug = "unmap-mismatch"
    let title = "An unmap request removed something else than its result says"
    let severities = Severity.info...Severity.medium

    let explanation = """
        VFIO_IOMMU_UNMAP_DMA returned success and removed nothing, or failed and removed something. A
        caller that looks at the return value alone, and not at the size that the kernel writes back, then
        believes in mappings that are not there, or that are.

        Medium: it failed although mappings had been removed by then (with a dirty bitmap, an error while
        copying it ends the loop half way). Low: it succeeded and removed nothing though a mapping is at
        that address; up to 5.19 that is what a process gets that did not make the mapping. Info: it
        succeeded and there was nothing to remove.

        False positives: clearing a range in case something is mapped there is allowed (QEMU does it when a
        virtual IOMMU is reset); that is why it is info. Records come when a call returns: a mapping that
        another thread made at that moment can look as if it had been there.
        """

    let kernelFacts = [
        "vfio_dma_do_unmap returns 0 and a size of 0 for a range without mappings, in type1 and type1v2 (5.10 to 7.3).",
        "Up to 5.19 it stops, without an error, at a mapping whose task has another mm than the caller.",
        "An error of update_user_bitmap ends its loop: earlier mappings of the range are gone by then (5.10 to 7.3).",
    ]

    let advice = """
        Compare the size in struct vfio_iommu_type1_dma_unmap after the call with the one that was asked
        for; unmap in the process that mapped.
        """

    func evaluate(_ event: Event, applied: Applied, graph: borrowing Graph) -> Occurrence? {
        guard case .unmapRequest(let request) = event.kind else { return nil }
        if request.result < 0 {
            guard graph.lastRequest.mappings > 0 else { return nil }
            return Occurrence(severity: .medium, kind: 2, iova: request.iova, size: request.size)
        }
        guard request.size == 0, request.flags & (UnmapRequest.allFlag | UnmapRequest.vaddrFlag) == 0, graph.lastRequest.mappings == 0 else { return nil }
        guard let mapping = inTheWay(request, applied, graph) else { return Occurrence(severity: .info, kind: 0, iova: request.iova, size: 0) }
        return Occurrence(severity: .low, kind: 1, iova: mapping.iova, size: mapping.size)
    }

    func message(_ event: Event, applied: Applied, graph: borrowing Graph) -> String {
        guard case .unmapRequest(let request) = event.kind else { return "" }
        let caller = event.caller(applied, graph)
        if request.result < 0 {
            let count = graph.lastRequest.mappings
            return "An unmap of \(range(request.iova, request.size)) in \(caller) failed with \(errnoName(request.result)), but \(count) "
                + "mapping\(count == 1 ? "" : "s") (\(amount(graph.lastRequest.bytes))) had been removed by then."
        }
        guard let mapping = inTheWay(request, applied, graph) else {
            return "An unmap from \(hex(request.iova)) in \(caller) succeeded and removed nothing: there was no mapping."
        }
        let maker = graph.actor(at: mapping.owner)
        let why = maker.process == event.actor.process ? "" : ", made by \(graph.displayName(for: maker)) (pid \(maker.process.pid))"
        return "An unmap from \(hex(request.iova)) in \(caller) succeeded and removed nothing, but \(range(mapping.iova, mapping.size)) is mapped\(why)."
    }

    private func inTheWay(_ request: UnmapRequest, _ applied: Applied, _ graph: borrowing Graph) -> Mapping? {
        applied.container.flatMap { graph.mapping(at: request.iova, in: $0) }
    }
}
