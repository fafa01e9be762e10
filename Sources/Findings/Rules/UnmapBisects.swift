import Events
import MappingGraph

/// An unmap request that would cut a mapping in two.
struct UnmapBisects: EventRule {
    let slug = "unmap-bisects"
    let title = "An unmap request failed because it would cut a mapping in two"
    let severities = Severity.low...Severity.low

    let explanation = """
        VFIO_IOMMU_UNMAP_DMA failed with EINVAL, and its range begins or ends inside a mapping. type1v2
        removes mappings whole or not at all. What was to go is still mapped, the whole of it: a caller
        that takes this for done frees memory which devices write to.

        The message names the mapping. Usually one map covered what its caller counts as several, or
        neighbours were merged before they were mapped.

        False positives: none that are known; EINVAL for another reason (alignment, an empty range) on a
        range that happens to end inside a mapping reads the same.
        """

    let kernelFacts = [
        "vfio_dma_do_unmap checks both ends with vfio_find_dma in type1v2 and returns -EINVAL before it removes "
            + "anything (5.10 to 7.3)."
    ]

    let advice = """
        Unmap exactly the ranges that were mapped; to be able to unmap parts, map the parts one by one.
        """

    func evaluate(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> Occurrence? {
        guard case .unmapRequest(let request) = event.kind, request.result == -22, cut(request, applied, graph) != nil
        else { return nil }
        return Occurrence(severity: .low, iova: request.iova, size: request.size)
    }

    func message(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> String {
        guard case .unmapRequest(let request) = event.kind, let mapping = cut(request, applied, graph) else {
            return ""
        }
        return
            "An unmap of \(range(request.iova, request.size)) in \(event.caller(applied, graph)) failed with EINVAL: "
            + "it would have cut the mapping "
            + "\(range(mapping.iova, mapping.size)), which is in force whole."
    }

    /// The mapping in which the range begins, or else ends, past its first byte or before its last.
    private func cut(_ request: UnmapRequest, _ applied: borrowing Applied, _ graph: borrowing Graph) -> Mapping? {
        guard request.size > 0, let id = applied.container else { return nil }
        if let first = graph.mapping(at: request.iova, in: id), first.iova < request.iova { return first }
        let end = lastByte(request.iova, request.size)
        guard let last = graph.mapping(at: end, in: id), last.last > end else { return nil }
        return last
    }
}
