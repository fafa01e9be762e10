// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D13: an unmap request did not do what its result reports.
struct UnmapMismatch: EventRule {
    let slug = "unmap-mismatch"
    let title = "An unmap request removed something other than its result reports"
    let severities = Severity.info...Severity.medium
    let condition =
        "an unmap succeeded and removed nothing, or less or more than requested, or it failed and removed something"
    let severityNote =
        "info: nothing else was mapped; low: a mapping is still there, or more was removed; medium: it failed half "
        + "way"
    let kernels = "all; low: up to 5.19, and type1 (not v2)"

    let explanation = """
        VFIO_IOMMU_UNMAP_DMA returned success and removed nothing, or another amount than requested, or it
        failed and removed something. A caller that checks the return value only, and not the size that the
        kernel writes back, then assumes mappings that are not there, or misses mappings that are.

        Medium: it failed although mappings had been removed by then (with a dirty bitmap, an error while
        copying it ends the loop half way). Low: it succeeded and left a mapping of its range in place; up
        to 5.19 that happens to a process that did not make the mapping. Also low: it removed more than
        requested, which type1 does where the range ends within a mapping, and type1v2 does not. Info: it
        succeeded, and its range held less than requested, or nothing.

        False positives: clearing a range in case something is mapped there is allowed (QEMU does it when a
        virtual IOMMU is reset), which is why it is info. DPDK treats less than requested as a failure.
        Recordings of earlier versions do not contain the requested size. Records arrive when a call
        returns, so a mapping that another thread made at that moment can look as if it had been there
        before.
        """

    let kernelFacts = [
        "vfio_dma_do_unmap returns 0 and a size of 0 for a range without mappings, in type1 and type1v2 (5.10 to "
            + "7.3).",
        "It overwrites the requested size with the bytes removed; in type1v2 a range may have holes (5.10 to 7.3).",
        "In type1 it removes nothing if the range begins within a mapping, and all of a mapping within which it "
            + "ends (5.10 to 7.3).",
        "Up to 5.19 it stops, without an error, at a mapping whose task has another mm than the caller.",
        "An error of update_user_bitmap ends its loop: earlier mappings of the range are gone by then (5.10 to 7.3).",
    ]

    let advice = """
        After the call, compare the size in struct vfio_iommu_type1_dma_unmap with the requested one. Unmap
        in the process that mapped.
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
        // If this thread's removals do not add up to the result, records were lost.
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
                + "\(errorName(request.result)), but \(count) "
                + "mapping\(count == 1 ? "" : "s") (\(amount(applied.removedByRequest.bytes))) had been "
                + "removed by then."
        }
        let asked = request.requested ?? request.size
        let start =
            asked == 0
            ? "An unmap from \(hex(request.iova)) in \(caller)"
            : "An unmap of \(range(request.iova, asked)) in \(caller)"
        if request.size > asked {
            return start
                + " succeeded and removed \(amount(request.size)) instead of \(amount(asked)): its range "
                + "ended within a mapping."
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

    var proof: RuleProof {
        RuleProof(
            fires: .init(
                "VM B unmaps what VM A has mapped; the call returns 0 and removes nothing.", severity: .low
            ) {
                $0.beginWithRAM()
                $0.unmapReturns(1000, iova: 0, size: 0, requested: 0x40_0000, by: Scene.vmB)
            },
            silent: .init("VM A unmaps it; the call removes exactly what was requested.") {
                $0.beginWithRAM()
                $0.remove(1000, iova: 0, size: 0x40_0000)
                $0.unmapReturns(1001, iova: 0, size: 0x40_0000, requested: 0x40_0000)
            })
    }
}
