import Events
import MappingGraph

/// D13: an unmap request did not do what its result says.
struct UnmapMismatch: EventRule {
    let slug = "unmap-mismatch"
    let title = "An unmap request removed something else than its result says"
    let severities = Severity.info...Severity.medium

    let explanation = """
        VFIO_IOMMU_UNMAP_DMA returned success and removed nothing, or another amount than it was asked for,
        or it failed and removed something. A caller that looks at the return value alone, and not at the
        size that the kernel writes back, then believes in mappings that are not there, or that are.

        Medium: it failed although mappings had been removed by then (with a dirty bitmap, an error while
        copying it ends the loop half way). Low: it succeeded and left a mapping of its range in place; up
        to 5.19 that is what a process gets that did not make the mapping. Low, too: it removed more than it
        was asked for, which type1 does where the range ends within a mapping, and type1v2 does not. Info:
        it succeeded, and in its range there was less to remove, or nothing.

        False positives: clearing a range in case something is mapped there is allowed (QEMU does it when a
        virtual IOMMU is reset); that is why it is info. DPDK takes less than asked for as a failure.
        Recordings of earlier versions do not tell how much was asked for. Records come when a call returns:
        a mapping that another thread made at that moment can look as if it had been there.
        """

    let kernelFacts = [
        "vfio_dma_do_unmap returns 0 and a size of 0 for a range without mappings, in type1 and type1v2 (5.10 to 7.3).",
        "It writes the bytes removed over the size asked for; in type1v2 a range may have holes (5.10 to 7.3).",
        "In type1 it removes nothing if the range begins within a mapping, and all of one within which it ends (5.10 "
            + "to 7.3).",
        "Up to 5.19 it stops, without an error, at a mapping whose task has another mm than the caller.",
        "An error of update_user_bitmap ends its loop: earlier mappings of the range are gone by then (5.10 to 7.3).",
    ]

    let advice = """
        Compare the size in struct vfio_iommu_type1_dma_unmap after the call with the one that was asked
        for; unmap in the process that mapped.
        """

    func evaluate(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> Occurrence? {
        guard case .unmapRequest(let request) = event.kind else { return nil }
        if request.result < 0 {
            guard applied.removedByRequest.mappings > 0 else { return nil }
            return Occurrence(severity: .medium, kind: 2, iova: request.iova, size: request.size)
        }
        guard request.size == 0 || request.differs, request.flags & (UnmapRequest.allFlag | UnmapRequest.vaddrFlag) == 0
        else { return nil }
        let asked = request.requested ?? request.size
        if request.size > asked { return Occurrence(severity: .low, kind: 5, iova: request.iova, size: asked) }
        // Not what this thread removed: less than that is a loss of records.
        guard applied.removedByRequest.bytes == request.size else { return nil }
        let isPart = request.size > 0
        guard let mapping = inTheWay(request, applied, graph) else {
            return Occurrence(severity: .info, kind: isPart ? 3 : 0, iova: request.iova, size: asked)
        }
        return Occurrence(severity: .low, kind: isPart ? 4 : 1, iova: mapping.iova, size: mapping.size)
    }

    func message(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> String {
        guard case .unmapRequest(let request) = event.kind else { return "" }
        let caller = event.caller(applied, graph)
        if request.result < 0 {
            let count = applied.removedByRequest.mappings
            return
                "An unmap of \(range(request.iova, request.size)) in \(caller) failed with "
                + "\(errnoName(request.result)), but \(count) "
                + "mapping\(count == 1 ? "" : "s") (\(amount(applied.removedByRequest.bytes))) had been removed by then."
        }
        let asked = request.requested ?? request.size
        let start =
            asked == 0
            ? "An unmap from \(hex(request.iova)) in \(caller)"
            : "An unmap of \(range(request.iova, asked)) in \(caller)"
        if request.size > asked {
            return start
                + " succeeded and removed \(amount(request.size)): it was asked for \(amount(asked)), which ended "
                + "within a mapping."
        }
        let removed = request.size == 0 ? "nothing" : "\(amount(request.size)) of \(amount(asked))"
        guard let mapping = inTheWay(request, applied, graph) else {
            return start
                + " succeeded and removed \(removed): there was no \(request.size == 0 ? "mapping" : "other mapping")."
        }
        let maker = graph.actor(at: mapping.owner)
        let why =
            maker.process == event.actor.process
            ? "" : ", made by \(graph.displayName(for: maker)) (pid \(maker.process.pid))"
        return start + " succeeded and removed \(removed), but \(range(mapping.iova, mapping.size)) is mapped\(why)."
    }

    private func inTheWay(_ request: UnmapRequest, _ applied: borrowing Applied, _ graph: borrowing Graph) -> Mapping? {
        applied.container.flatMap { graph.mapping(overlapping: request.iova, request.last, in: $0) }
    }
}
