// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// An unmap request that would cut a mapping in two.
struct UnmapBisects: EventRule {
    let slug = "unmap-bisects"
    let title = "An unmap request failed because it would cut a mapping in two"
    let severities = Severity.low...Severity.low
    let condition = "an unmap failed with EINVAL and would have cut a mapping in two"

    let explanation = """
        VFIO_IOMMU_UNMAP_DMA failed with EINVAL, and its range begins or ends inside a mapping. type1v2
        removes mappings whole or not at all. The whole of what should be removed is still mapped: a caller
        that takes it for removed frees memory that devices write to.

        The message names the mapping. Usually one map covered what its caller counts as several, or
        neighbours were merged before they were mapped.

        False positives: none known. EINVAL for another reason (alignment, an empty range) looks the same
        if the range happens to end inside a mapping.
        """

    let kernelFacts = [
        "vfio_dma_do_unmap checks both ends with vfio_find_dma in type1v2 and returns -EINVAL before it removes "
            + "anything (5.10 to 7.3)."
    ]

    let advice = """
        Unmap exactly the ranges that were mapped. To be able to unmap parts, map the parts one by one.
        """

    func evaluate(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> Occurrence? {
        guard case .unmapRequest(let request) = event.kind, request.result == -Errno.einval,
            cut(request, applied, graph) != nil
        else { return nil }
        return Occurrence(severity: .low, iova: request.iova, size: request.size)
    }

    func message(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> String {
        guard case .unmapRequest(let request) = event.kind, let mapping = cut(request, applied, graph) else {
            return ""
        }
        return
            "An unmap of \(range(request.iova, request.size)) in \(event.caller(applied, graph)) failed with EINVAL: "
            + "it would have cut the mapping \(range(mapping.iova, mapping.size)), all of which is still in force."
    }

    /// The mapping that the range would cut: it begins behind the mapping's first byte, or ends
    /// before its last.
    private func cut(_ request: UnmapRequest, _ applied: borrowing Applied, _ graph: borrowing Graph) -> Mapping? {
        guard request.size > 0, let id = applied.container else { return nil }
        if let first = graph.mapping(at: request.iova, in: id), first.iova < request.iova { return first }
        let end = lastByte(request.iova, request.size)
        guard let last = graph.mapping(at: end, in: id), last.last > end else { return nil }
        return last
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A unmaps the first half of a mapping.", severity: .low) {
                $0.beginWithRAM()
                $0.unmapReturns(1000, iova: 0, size: 0x20_0000, result: -Errno.einval)
            },
            silent: .init("VM A unmaps the whole mapping, which fails for another reason.") {
                $0.beginWithRAM()
                $0.unmapReturns(1000, iova: 0, size: 0x40_0000, result: -Errno.einval)
            })
    }
}
