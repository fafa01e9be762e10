// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// Conditions of containers: what the engine does for all of their rules.
@Suite struct EngineContainersTests {
    /// Removing many mappings can take longer than the debounce.
    @Test(arguments: ["no-open-device", "no-container-fd", "creator-gone"]) func aTeardownIsNoDefectHoweverSlow(
        rule: String
    ) {
        var it = Host.withRAM(rule)
        it.mapRAM(8, iova: 0x1000_0000)
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .processExit)
        it.at(1001, .containerClose(c1))
        it.at(1002, .deviceLastClose(gpuUse))
        it.remove(1400, iova: 0, size: 0x40_0000, cause: .teardown)
        it.advance(to: 90_000)
        it.remove(90_000, iova: 0x1000_0000, cause: .teardown)
        it.at(90_001, .iommuRelease(i1))
        it.at(90_002, .groupDetach(gpuGroup, c1))
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }

    @Test func aPolicyMaySetAnotherDuration() {
        var it = Host.withRAM("vaddr-invalid")
        it.engine = Engine(rules: it.engine.rules, debounce: 500, durations: ["vaddr-invalid": 2000])
        it.unmapReturns(1000, iova: 0, size: 0x40_0000, flags: 4)
        it.advance(to: 2999)
        #expect(it.reported == [])
        it.advance(to: 3000)
        #expect(it.reported == ["vaddr-invalid medium open"])
    }

    /// Otherwise every map and unmap would cost a judgement of its container.
    @Test func ordinaryMapsDoNotChangeTheirContainer() {
        var it = Host.withRAM("no-open-device")
        for number in UInt64(1)...50 {
            let map = it.graph.apply(
                Event(time: 100, actor: vmA, kind: .map(MapRequest(iommu: i1, iova: number << 24, size: 0x1000))))
            #expect(map.containerChange == .nothing && !map.isUnusual)
        }
        let removal = it.graph.apply(
            Event(
                time: 100, actor: vmA,
                kind: .mappingRemoved(MappingRemoved(iommu: i1, iova: 1 << 24, size: 0x1000, cause: .request))))
        let request = it.graph.apply(
            Event(
                time: 100, actor: vmA,
                kind: .unmapRequest(UnmapRequest(iommu: i1, iova: 1 << 24, size: 0x1000, flags: 0, result: 0))))
        #expect(removal.containerChange == .nothing && request.containerChange == .nothing && !request.isUnusual)
    }
}
