// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `unmap-mismatch` fires, and when it is silent.
@Suite struct UnmapMismatchTests {
    @Test func successThatRemovedNothing() {
        var it = Host.forLints()
        it.unmapReturns(200, iova: 0x50_0000, size: 0)
        #expect(it.reported == ["unmap-mismatch info open"])
        #expect(
            it.findings[0].message
                == "An unmap from 0x500000 in c1 (qemu-a) succeeded and removed nothing: there was no mapping.")
    }

    /// Up to Linux 5.19, for a process that did not make the mapping.
    @Test func successThatLeftAMappingInPlace() {
        var it = Host.forLints()
        it.unmapReturns(200, iova: 0x10_0000, size: 0, by: vmB)
        #expect(it.reported == ["unmap-mismatch low open"])
        #expect(
            it.findings[0].message
                == "An unmap from 0x100000 in c1 (qemu-b) succeeded and removed nothing, but 0x100000…0x1fffff is "
                + "mapped, made by qemu-a (pid 100)."
        )
        it.mapRAM(300, iova: 0x10_0000, result: -17, by: vmB)
        #expect(it.reported.last == "map-exists low open")
        #expect(
            it.findings[1].message
                == "A map of 0x100000…0x100fff in c1 (qemu-b) failed with EEXIST: 0x100000…0x1fffff is mapped by "
                + "qemu-a (pid 100). "
                + "An unmap request for it succeeded shortly before and removed nothing.")
    }

    @Test func failureHalfWay() {
        var it = Host.forLints()
        it.mapRAM(120, iova: 0x30_0000)
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        // Another thread of another process is at it, too.
        it.remove(201, iova: 0x30_0000, by: vmB)
        it.unmapReturns(202, iova: 0x10_0000, size: 0x40_0000, flags: 1, result: -14)
        it.unmapReturns(203, iova: 0x30_0000, size: 0x1000, by: vmB)
        #expect(it.reported == ["unmap-mismatch medium open"])
        #expect(
            it.findings[0].message
                == "An unmap of 0x100000…0x4fffff in c1 (qemu-a) failed with EFAULT, but 1 mapping (1 MiB) had been "
                + "removed by then."
        )
        it.unmapReturns(300, iova: 0x70_0000, size: 0x1000, result: -14)
        #expect(it.engine.openFindings.map(\.occurrences) == [1])
    }

    @Test func lessThanWasAskedForBecauseThereWasNoMore() {
        var it = Host.forLints()
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        it.unmapReturns(201, iova: 0x10_0000, size: 0x10_0000, requested: 0x40_0000)
        #expect(it.reported == ["unmap-mismatch info open"])
        #expect(
            it.findings[0].message
                == "An unmap of 0x100000…0x4fffff in c1 (qemu-a) succeeded and removed 1 MiB of 4 MiB: there was no "
                + "other mapping."
        )
        #expect(it.findings[0].iova == 0x10_0000 && it.findings[0].size == 0x40_0000)
    }

    @Test func lessThanWasAskedForThoughThereIsMore() {
        var it = Host.forLints()
        it.mapRAM(120, iova: 0x20_0000, by: vmB)
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        it.unmapReturns(201, iova: 0x10_0000, size: 0x10_0000, requested: 0x20_0000)
        #expect(it.reported == ["unmap-mismatch low open"])
        #expect(
            it.findings[0].message
                == "An unmap of 0x100000…0x2fffff in c1 (qemu-a) succeeded and removed 1 MiB of 2 MiB, "
                + "but 0x200000…0x200fff is mapped, made by qemu-b (pid 200).")
    }

    /// type1, not type1v2.
    @Test func moreThanWasAskedFor() {
        var it = Host.forLints()
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        it.unmapReturns(201, iova: 0x10_0000, size: 0x10_0000, requested: 0x1000)
        #expect(it.reported == ["unmap-mismatch low open"])
        #expect(
            it.findings[0].message
                == "An unmap of 0x100000…0x100fff in c1 (qemu-a) succeeded and removed 1 MiB instead of 4 KiB: "
                + "its range ended within a mapping."
        )
    }

    @Test func asMuchAsWasAskedForAndEverythingAtOnceAreInOrder() {
        var it = Host.forLints()
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        it.unmapReturns(201, iova: 0x10_0000, size: 0x10_0000, requested: 0x10_0000)
        it.mapRAM(202, iova: 0x30_0000)
        it.remove(203, iova: 0x30_0000)
        it.unmapReturns(204, iova: 0, size: 0x1000, flags: UnmapRequest.allFlag)
        // Removals were lost: nothing follows.
        it.unmapReturns(205, iova: 0x30_0000, size: 0x1000, requested: 0x2000)
        #expect(it.reported == [])
    }

    /// The request began before the range that is mapped now.
    @Test func anEmptyUnmapCountsForAllItsRange() {
        var it = Host.forLints()
        it.unmapReturns(200, iova: 0x0, size: 0, requested: 0x40_0000, by: vmB)
        #expect(
            it.findings[0].message.hasSuffix(
                "succeeded and removed nothing, but 0x100000…0x1fffff is mapped, made by qemu-a (pid 100)."))
        it.mapRAM(300, iova: 0x10_0000, result: -17, by: vmB)
        #expect(
            it.findings[1].message.hasSuffix("An unmap request for it succeeded shortly before and removed nothing."))
    }
}
