// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// When `vaddr-invalid` fires, and when it is silent.
@Suite struct VaddrInvalidTests {
    private let minute: UInt64 = 60_000_000_000

    @Test func aLiveUpdateThatNeverEnds() {
        var it = Host.withRAM("vaddr-invalid")
        it.mapRAM(8, iova: 0x1000_0000, size: 0x10_0000)
        it.unmapReturns(1000, iova: 0, size: 0x40_0000, flags: 4)
        it.advance(to: 999 + minute)
        #expect(it.reported == [])
        it.advance(to: 1000 + minute)
        #expect(it.reported == ["vaddr-invalid medium open"])
        #expect(
            it.findings[0].message
                == "4 MiB of 2 mappings (5 MiB) of c1 have no user address: qemu-a (pid 100) took it away, and nobody "
                + "has supplied a new one."
        )
        it.at(
            2000 + minute,
            .map(MapRequest(iommu: i1, iova: 0, size: 0x40_0000, readable: false, writable: false, vaddrOnly: true)),
            by: vmB)
        #expect(it.reported.last == "vaddr-invalid medium resolved")
    }

    @Test func aLiveUpdateThatEnds() {
        var it = Host.withRAM("vaddr-invalid")
        it.mapRAM(8, iova: 0x1000_0000, size: 0x10_0000)
        it.unmapReturns(1000, iova: 0, size: 0x50_0000, flags: 6)
        it.at(30_000, .map(MapRequest(iommu: i1, iova: 0, size: 0x40_0000, vaddrOnly: true)), by: vmB)
        // The other one is unmapped for good.
        it.remove(40_000, iova: 0x1000_0000, size: 0x10_0000)
        it.mapRAM(41_000, iova: 0x1000_0000, size: 0x10_0000)
        it.advance(to: 10 * minute)
        // What was given back counts in bytes, so unmapping something else leaves the rest.
        #expect(it.graph.container(ContainerID(1))?.vaddrInvalid == 0x10_0000)
        it.at(11 * minute, .map(MapRequest(iommu: i1, iova: 0x1000_0000, size: 0x10_0000, vaddrOnly: true)), by: vmB)
        #expect(it.reported == ["vaddr-invalid medium open", "vaddr-invalid medium resolved"])
    }

    @Test func anInvalidationThatFailedIsNone() {
        var it = Host.withRAM("vaddr-invalid")
        it.unmapReturns(1000, iova: 0, size: 0x40_0000, flags: 4, result: -22)
        it.advance(to: 2 * minute)
        #expect(it.reported == [])
    }
}
