// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D22: a container has hardly any mappings left.
struct MappingBudget: ContainerRule, RuleWithThreshold {
    let slug = "mapping-budget"
    let title = "A container has used up nearly all of its mappings"
    let severities = Severity.low...Severity.low
    let condition = "it has 95 % of `dma_entry_limit` mappings (or what a policy sets), until 5 % less"
    let watchesMappingCount = true
    /// The graph asks at this mark: see `configure`.
    var threshold = Threshold(95, unit: "percent", allowed: 10...100)

    let explanation = """
        The kernel limits how many mappings a container may have: dma_entry_limit of vfio_iommu_type1,
        65,535 by default. At the limit VFIO_IOMMU_MAP_DMA fails with ENOSPC, which a virtual machine sees
        as I/O errors of its devices. The finding opens at 95 % (a policy may set another threshold) and
        resolves 5 % below that. If the number grows, the message states how long it takes to reach the
        limit at the rate of the last four seconds.

        Many small mappings are ordinary behind a virtual IOMMU. Otherwise they are a leak of a program
        that maps buffers and does not unmap them; the timeline shows which.

        False positive: a dma_entry_limit that was raised while the trace was running.
        """

    let kernelFacts = [
        "vfio_dma_do_map fails with -ENOSPC if vfio_iommu.dma_avail is 0 (5.10 to 7.3).",
        "The limit came with the fix of CVE-2019-3882: mappings are kernel memory that no rlimit counts.",
    ]

    let advice = """
        Map larger ranges, or unmap what is not in use. On a host whose guests have virtual IOMMUs, raise
        vfio_iommu_type1.dma_entry_limit.
        """

    func configure(_ graph: inout Graph) { graph.mappingMarkPercent = Int(threshold.value) }

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        let count = graph.mappingCount(in: container.id)
        guard count >= (isHolding ? graph.mappingRelief : graph.mappingMark), count > 0 else { return nil }
        return Verdict(severity: .low, actor: container.owner(graph))
    }

    func message(_ container: Container, graph: borrowing Graph) -> String { message(container, graph: graph, at: 0) }

    func message(_ container: Container, graph: borrowing Graph, at time: UInt64) -> String {
        let capacity = graph.mappingCapacity(of: container.id, at: time)
        return
            "\(container.holder(graph)) has \(graph.mappingCount(in: container.id)) of \(graph.mappingLimit) mappings: "
            + "at the limit further maps fail with ENOSPC."
            + (capacity.mappings < capacity.limit ? exhaustion(capacity.exhaustedIn) : "")
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A makes its 19th mapping of 20 that the container may have.", severity: .low) {
                $0.mappingLimit = 20
                $0.beginWithRAM()
                for number in 1...18 { $0.mapRAM(1000, iova: 0x1000_0000 + UInt64(number) << 12) }
                $0.advance(to: 2000)
            },
            silent: .init("VM A makes its 18th mapping of 20.") {
                $0.mappingLimit = 20
                $0.beginWithRAM()
                for number in 1...17 { $0.mapRAM(1000, iova: 0x1000_0000 + UInt64(number) << 12) }
                $0.advance(to: 2000)
            })
    }
}
