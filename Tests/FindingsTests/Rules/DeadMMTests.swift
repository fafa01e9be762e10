// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// When `dead-mm` fires, and when it is silent.
@Suite struct DeadMMTests {
    @Test func anotherProgramKeepsTheContainer() {
        var it = Host.withRAM("dead-mm", type: 3)
        it.at(1000, .processExec)
        it.advance(to: 5000)
        #expect(it.reported == ["dead-mm low open"])
        #expect(it.findings[0].since == 1000 && it.findings[0].actor == vmA)
        #expect(
            it.findings[0].message
                == "1 of 1 mapping (4 MiB) of c1 was made in an address space that is gone (qemu-a, pid 100): "
                + "the pages stay pinned and open to the container's devices.")
        it.remove(6000, iova: 0, size: 0x40_0000)
        #expect(it.reported.last == "dead-mm low resolved")
    }

    /// What it maps as another program is in an address space that is there.
    @Test func whatTheNewProgramMapsIsItsOwn() {
        var it = Host.withRAM("dead-mm", type: 3)
        it.at(1000, .processExec)
        it.mapRAM(1001, iova: 0x1000_0000)
        it.remove(1002, iova: 0, size: 0x40_0000)
        it.advance(to: 5000)
        #expect(it.reported == [] && it.graph.mappingCount(in: ContainerID(1)) == 1)
    }

    @Test func anotherProcessMayRunWhatItLikes() {
        var it = Host.withRAM("dead-mm", type: 3)
        it.at(1000, .processExec, by: vmB)
        it.advance(to: 5000)
        #expect(it.reported == [])
    }

    @Test func aLiveUpdateByExec() {
        var it = Host.withRAM("dead-mm", "creator-gone", type: 3)
        it.unmapReturns(900, iova: 0, size: 0x40_0000, flags: UnmapRequest.vaddrFlag)
        it.at(1000, .processExec)
        it.advance(to: 5000)
        it.at(
            6000,
            .map(MapRequest(iommu: i1, iova: 0, size: 0x40_0000, readable: false, writable: false, vaddrOnly: true)))
        it.advance(to: 9000)
        #expect(it.reported == [])
        #expect(it.graph.container(ContainerID(1))?.withoutMemory == 0)
        // It is the new program's, and goes with it.
        it.at(10_000, .processExec)
        it.advance(to: 20_000)
        #expect(it.reported == ["dead-mm low open"])
    }

    /// One cause, one finding.
    @Test func anExitMakesItCreatorGone() {
        var it = Host.withRAM("dead-mm", "creator-gone", type: 3)
        it.at(1000, .processExec)
        it.advance(to: 5000)
        it.mapRAM(5500, iova: 0x1000_0000)
        it.at(6000, .processExit)
        it.advance(to: 9000)
        #expect(it.reported == ["dead-mm low open", "dead-mm low resolved", "creator-gone medium open"])
        #expect(it.graph.container(ContainerID(1))?.abandoned == 2)
    }

    /// A live update by another process makes the mapping that one's.
    @Test func givenToAnotherProcess() {
        var it = Host.withRAM("dead-mm", "creator-gone", type: 3)
        it.unmapReturns(900, iova: 0, size: 0x40_0000, flags: UnmapRequest.vaddrFlag)
        it.at(
            1000,
            .map(MapRequest(iommu: i1, iova: 0, size: 0x40_0000, readable: false, writable: false, vaddrOnly: true)),
            by: vmB)
        it.at(1100, .processExit)
        it.advance(to: 9000)
        #expect(it.reported == [])
        it.at(10_000, .processExec, by: vmB)
        it.advance(to: 20_000)
        #expect(it.reported == ["dead-mm medium open"] && it.findings[0].actor == vmB)
    }

    @Test(arguments: [true, false]) func aSnapshotFindsIt(isKnown: Bool) {
        var it = Host.withRAM("dead-mm", type: 3)
        if !isKnown { it.remove(7, iova: 0, size: 0x40_0000) }
        it.at(1000, .snapshotBegin, by: host)
        it.at(1001, .snapshotContainer(c1, iommu: i1, type: 3), by: host)
        it.at(1002, .snapshotGroup(gpuGroup, c1), by: host)
        it.at(1003, .walkBegin(i1), by: host)
        var map = MapRequest(iommu: i1, iova: 0, size: 0x40_0000, provenance: .snapshot)
        map.isMemoryGone = true
        it.at(1004, .map(map))
        it.at(1005, .walkEnd(i1, mappings: 1, consistent: true), by: host)
        it.at(1006, .snapshotEnd, by: host)
        it.advance(to: 5000)
        #expect(it.reported == ["dead-mm low open"] && it.findings[0].actor.process == vmA.process)
        it.at(6000, .iommuRelease(i1))
        #expect(it.reported.last == "dead-mm low resolved")
    }

    /// A container's counts of makers match its mappings, whatever happens in whatever order.
    @Test(arguments: UInt64(1)...20) func makersAreCountedRight(seed: UInt64) {
        var state = seed
        func below(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        var it = Host.withRAM("dead-mm", "creator-gone", type: 3)
        let sides = [i1, IOMMUKey(0x2000)]
        for step in UInt64(0)..<400 {
            let who = actor(UInt32(100 + below(6)), "p"), side = sides[Int(below(2))], iova = below(12) << 20
            let kind = below(12)
            // A process that has exited does nothing more, but a snapshot can find its mappings.
            if kind < 11, it.graph.hasExited(who.process) { continue }
            switch kind {
            case 0..<4: it.at(10 + step, .map(MapRequest(iommu: side, iova: iova, size: 0x10_0000)), by: who)
            case 4..<7:
                it.at(
                    10 + step,
                    .mappingRemoved(MappingRemoved(iommu: side, iova: iova, size: 0x10_0000, cause: .request)), by: who)
            case 7:
                it.at(10 + step, .map(MapRequest(iommu: side, iova: iova, size: 0x10_0000, vaddrOnly: true)), by: who)
            case 8: it.at(10 + step, .processExec, by: who)
            case 9: if below(8) == 0 { it.at(10 + step, .processExit, by: who) }
            case 10: if below(20) == 0 { it.at(10 + step, .iommuRelease(side)) }
            default:
                var map = MapRequest(iommu: side, iova: iova, size: 0x10_0000, provenance: .snapshot)
                map.isMemoryGone = it.graph.hasExited(who.process) || below(2) == 0
                it.at(10 + step, .map(map), by: who)
            }
            for container in it.graph.containers {
                var exited = 0, withoutMemory = 0
                for mapping in it.graph.mappings(in: container.id) {
                    if it.graph.isWithoutMemory(mapping) {
                        withoutMemory += 1
                    } else if it.graph.hasExited(it.graph.actor(at: mapping.owner).process) {
                        exited += 1
                    }
                }
                #expect(container.withoutMemory == withoutMemory && container.abandoned == exited, "step \(step)")
            }
        }
    }
}
