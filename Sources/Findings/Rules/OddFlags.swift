// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D15: a mapping with an access that is rarely intended.
struct OddFlags: EventRule {
    let slug = "odd-flags"
    let title = "A mapping that devices can write but not read"
    let severities = Severity.info...Severity.info
    let condition = "a mapping was made that devices can write but not read"

    let explanation = """
        A map request asked for write access without read. Some IOMMUs cannot do that and allow both, or
        neither. Others do as requested, and a device that reads what it has written gets a fault.

        It is a hint: write-only buffers are legitimate, and rare.

        False positives: receive buffers of a program that intends it.
        """

    let kernelFacts = [
        "VFIO_DMA_MAP_FLAG_READ and VFIO_DMA_MAP_FLAG_WRITE become IOMMU_READ and IOMMU_WRITE as they are "
            + "(vfio_dma_do_map, 5.10 to 7.3)."
    ]

    let advice = """
        Map with VFIO_DMA_MAP_FLAG_READ too, unless a device must not read the range.
        """

    func evaluate(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> Occurrence? {
        guard case .map(let map) = event.kind, map.result == 0, !map.readable, !map.vaddrOnly,
            map.provenance == .observed
        else { return nil }
        return Occurrence(severity: .info, iova: map.iova, size: map.size, target: applied.targets.first)
    }

    func message(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> String {
        guard case .map(let map) = event.kind else { return "" }
        return "\(range(map.iova, map.size)) is mapped in \(event.caller(applied, graph)) for writing only."
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A maps a page for writing only.", severity: .info) {
                $0.beginWithRAM()
                $0.mapRAM(1000, iova: 0x40_0000, readable: false)
            },
            silent: .init("VM A maps a page for reading only.") {
                $0.beginWithRAM()
                $0.at(
                    1000,
                    .map(MapRequest(iommu: Scene.i1, iova: 0x40_0000, size: 0x1000, readable: true, writable: false)))
            })
    }
}
