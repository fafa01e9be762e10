// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// A map request for a range that is mapped already.
struct MapExists: EventRule {
    let slug = "map-exists"
    let title = "A map request failed because its range is mapped already"
    let severities = Severity.low...Severity.low
    let condition = "a map failed with EEXIST"

    let explanation = """
        VFIO_IOMMU_MAP_DMA failed with EEXIST: a byte of its range is mapped. The message names the mapping
        in the way and its maker. Devices still use that mapping: if it leads to memory that its maker
        believes to be unmapped, they read and write what is there now.

        If an unmap request for it returned success within the last ten seconds and removed nothing, the
        message reports that: the unmap is the cause. (SPDK and DPDK met this with several processes in one
        container.) See unmap-mismatch.

        False positives: a program that maps first and asks later, taking EEXIST for success.
        """

    let kernelFacts = [
        "vfio_dma_do_map returns -EEXIST if vfio_find_dma finds any overlap (5.10 to 7.3).",
        "Up to 5.19 an unmap of another process's mapping returns 0 with size 0 and leaves it in place.",
    ]

    let advice = """
        Find the unmap that is missing, or that did nothing: `vfioscope export --format jsonl` shows both
        the map of the range in the way and the unmap requests since.
        """

    func evaluate(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> Occurrence? {
        guard case .map(let map) = event.kind, map.result == -Errno.eexist else { return nil }
        return Occurrence(severity: .low, iova: map.iova, size: map.size, target: applied.targets.first)
    }

    func message(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> String {
        guard case .map(let map) = event.kind else { return "" }
        let last = lastByte(map.iova, map.size)
        let start = "A map of \(range(map.iova, map.size)) in \(event.caller(applied, graph)) failed with EEXIST"
        guard let id = applied.container, let mapping = graph.mapping(overlapping: map.iova, last, in: id) else {
            return start + ": a mapping that is not known to the trace is in the way."
        }
        let maker = graph.actor(at: mapping.owner)
        let text =
            start
            + ": \(range(mapping.iova, mapping.size)) is mapped by \(graph.displayName(for: maker)) (pid "
            + "\(maker.process.pid))."
        let wasMeantToGo = graph.hadEmptyUnmap(
            min(map.iova, mapping.iova), max(last, mapping.last), in: id, before: event.time)
        return wasMeantToGo ? text + " An unmap request for it succeeded shortly before and removed nothing." : text
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A maps a page of a range that is mapped.", severity: .low) {
                $0.beginWithRAM()
                $0.mapRAM(1000, iova: 0x3f_f000, result: -Errno.eexist)
            },
            silent: .init("VM A maps the page behind that range.") {
                $0.beginWithRAM()
                $0.mapRAM(1000, iova: 0x40_0000)
            })
    }
}
