// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// Lints: one finding for all calls of one kind in a container.
@Suite struct LintTableTests {
    @Test func ordinaryCallsAreSilent() {
        var it = Host.forLints()
        it.mapRAM(120, iova: 0x30_0000)
        it.remove(130, iova: 0x30_0000)
        it.unmapReturns(131, iova: 0x30_0000, size: 0x1000)
        it.unmapReturns(132, iova: 0, size: 0, flags: UnmapRequest.allFlag)
        it.unmapReturns(133, iova: 0x10_0000, size: 0, flags: UnmapRequest.vaddrFlag)
        it.at(
            134,
            .map(
                MapRequest(
                    iommu: i1, iova: 0x10_0000, size: 0x10_0000, readable: false, writable: false, vaddrOnly: true)))
        #expect(it.reported == [])
    }

    @Test func aThousandFailuresAreOneFinding() {
        var it = Host.forLints()
        for number in UInt64(0)..<1000 { it.mapRAM(200 + number, iova: 0x40_0000 + number << 12, result: -12) }
        #expect(it.reported == ["map-failed low open"])
        let finding = it.findings[0]
        #expect(
            finding.since == 200 && finding.time == 200 && finding.iova == 0x40_0000 && finding.size == 0x1000
                && finding.actor == vmA)
        #expect(
            finding.container == ContainerID(1) && finding.occurrences == 1 && finding.device == nil
                && finding.reachable == nil)
        #expect(it.engine.openFindings.map(\.occurrences) == [1000])
        it.at(5000, .iommuRelease(i1))
        #expect(it.reported == ["map-failed low open", "map-failed low resolved"])
        let over = it.findings[1]
        #expect(over.id == finding.id && over.time == 5000 && over.until == 1199 && over.occurrences == 1000)
        #expect(over.message == finding.message + " It happened 1000 times.")
        #expect(it.engine.openFindings.isEmpty)
    }

    @Test func eachKindAndEachContainerOfItsOwn() {
        var it = Host.forLints()
        it.mapRAM(200, iova: 0x40_0000, result: -12)
        it.mapRAM(201, iova: 0x40_0000, result: -22)
        it.mapRAM(202, iova: 0x40_0000, result: -12, by: vmB)
        it.at(210, .iommuOpen(IOMMUKey(0x2000), type: 1, container: c2))
        it.at(211, .map(MapRequest(iommu: IOMMUKey(0x2000), iova: 0, size: 0x1000, result: -12)))
        #expect(it.findings.map(\.container) == [ContainerID(1), ContainerID(1), ContainerID(2)])
        it.at(300, .iommuRelease(i1))
        #expect(it.findings.suffix(2).map(\.id) == [1, 2] && it.engine.openFindings.map(\.id) == [3])
    }

    /// The kernel reuses the pointer: nobody saw the release.
    @Test func aNewIOMMUSideEndsThem() {
        var it = Host.forLints()
        it.mapRAM(200, iova: 0x40_0000, result: -12)
        it.at(300, .iommuOpen(IOMMUKey(0x2000), type: 1, container: c1))
        #expect(it.reported == ["map-failed low open", "map-failed low resolved"])
        it.at(310, .map(MapRequest(iommu: IOMMUKey(0x2000), iova: 0, size: 0x1000, result: -12)))
        #expect(it.reported.last == "map-failed low open" && it.findings.last?.id == 2)
    }

    @Test func aContainerThatIsNotKnownHasNone() {
        var it = Host.forLints()
        it.at(200, .map(MapRequest(iommu: IOMMUKey(0x9000), iova: 0, size: 0x1000, result: -12)))
        #expect(it.reported == [])
    }
}
