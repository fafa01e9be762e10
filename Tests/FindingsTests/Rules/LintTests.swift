import Events
import Findings
import MappingGraph
import Testing

/// unmap-mismatch, unmap-bisects, map-exists, map-failed, odd-flags.
@Suite struct LintTests {
    private static let lints = RuleRegistry.all.filter { $0 is any EventRule }

    private func plain() -> Host {
        var it = Host.peerToPeer(rules: Self.lints)
        it.mapRAM(110, iova: 0x10_0000, size: 0x10_0000)
        return it
    }

    @Test func ordinaryCallsAreSilent() {
        var it = plain()
        it.mapRAM(120, iova: 0x30_0000)
        it.remove(130, iova: 0x30_0000)
        it.unmapReturns(131, iova: 0x30_0000, size: 0x1000)
        it.unmapReturns(132, iova: 0, size: 0, flags: UnmapRequest.allFlag)
        it.unmapReturns(133, iova: 0x10_0000, size: 0, flags: UnmapRequest.vaddrFlag)
        it.at(
            134,
            .map(Map(iommu: i1, iova: 0x10_0000, size: 0x10_0000, readable: false, writable: false, vaddrOnly: true)))
        #expect(it.said == [])
    }

    // MARK: One finding, however often

    @Test func aMillionFailuresAreOneFinding() {
        var it = plain()
        for number in UInt64(0)..<1000 { it.mapRAM(200 + number, iova: 0x40_0000 + number << 12, result: -12) }
        #expect(it.said == ["map-failed low open"])
        let finding = it.findings[0]
        #expect(
            finding.since == 200 && finding.time == 200 && finding.iova == 0x40_0000 && finding.size == 0x1000
                && finding.actor == vmA)
        #expect(
            finding.container == ContainerID(1) && finding.occurrences == 1 && finding.device == nil
                && finding.reachable == nil)
        #expect(it.engine.openFindings.map(\.occurrences) == [1000])
        it.at(5000, .iommuRelease(i1))
        #expect(it.said == ["map-failed low open", "map-failed low resolved"])
        let over = it.findings[1]
        #expect(over.id == finding.id && over.time == 5000 && over.until == 1199 && over.occurrences == 1000)
        #expect(over.message == finding.message + " It happened 1000 times.")
        #expect(it.engine.openFindings.isEmpty)
    }

    @Test func eachKindAndEachContainerOfItsOwn() {
        var it = plain()
        it.mapRAM(200, iova: 0x40_0000, result: -12)
        it.mapRAM(201, iova: 0x40_0000, result: -22)
        it.mapRAM(202, iova: 0x40_0000, result: -12, by: vmB)
        it.at(210, .iommuOpen(IOMMUKey(0x2000), type: 1, container: c2))
        it.at(211, .map(Map(iommu: IOMMUKey(0x2000), iova: 0, size: 0x1000, result: -12)))
        #expect(it.findings.map(\.container) == [ContainerID(1), ContainerID(1), ContainerID(2)])
        it.at(300, .iommuRelease(i1))
        #expect(it.findings.suffix(2).map(\.id) == [1, 2] && it.engine.openFindings.map(\.id) == [3])
    }

    /// The kernel reuses the pointer: nobody saw the release.
    @Test func aNewIOMMUSideEndsThem() {
        var it = plain()
        it.mapRAM(200, iova: 0x40_0000, result: -12)
        it.at(300, .iommuOpen(IOMMUKey(0x2000), type: 1, container: c1))
        #expect(it.said == ["map-failed low open", "map-failed low resolved"])
        it.at(310, .map(Map(iommu: IOMMUKey(0x2000), iova: 0, size: 0x1000, result: -12)))
        #expect(it.said.last == "map-failed low open" && it.findings.last?.id == 2)
    }

    @Test func aContainerThatIsNotKnownHasNone() {
        var it = plain()
        it.at(200, .map(Map(iommu: IOMMUKey(0x9000), iova: 0, size: 0x1000, result: -12)))
        #expect(it.said == [])
    }

    // MARK: unmap-mismatch

    @Test func successThatRemovedNothing() {
        var it = plain()
        it.unmapReturns(200, iova: 0x50_0000, size: 0)
        #expect(it.said == ["unmap-mismatch info open"])
        #expect(
            it.findings[0].message
                == "An unmap from 0x500000 in c1 (qemu-a) succeeded and removed nothing: there was no mapping.")
    }

    /// Up to Linux 5.19, for a process that did not make the mapping.
    @Test func successThatLeftAMappingInPlace() {
        var it = plain()
        it.unmapReturns(200, iova: 0x10_0000, size: 0, by: vmB)
        #expect(it.said == ["unmap-mismatch low open"])
        #expect(
            it.findings[0].message
                == "An unmap from 0x100000 in c1 (qemu-b) succeeded and removed nothing, but 0x100000…0x1fffff is "
                + "mapped, made by qemu-a (pid 100)."
        )
        it.mapRAM(300, iova: 0x10_0000, result: -17, by: vmB)
        #expect(it.said.last == "map-exists low open")
        #expect(
            it.findings[1].message
                == "A map of 0x100000…0x100fff in c1 (qemu-b) failed with EEXIST: 0x100000…0x1fffff is mapped, by "
                + "qemu-a (pid 100). "
                + "An unmap request for it succeeded shortly before and removed nothing.")
    }

    @Test func failureHalfWay() {
        var it = plain()
        it.mapRAM(120, iova: 0x30_0000)
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        // Another thread of another process is at it, too.
        it.remove(201, iova: 0x30_0000, by: vmB)
        it.unmapReturns(202, iova: 0x10_0000, size: 0x40_0000, flags: 1, result: -14)
        it.unmapReturns(203, iova: 0x30_0000, size: 0x1000, by: vmB)
        #expect(it.said == ["unmap-mismatch medium open"])
        #expect(
            it.findings[0].message
                == "An unmap of 0x100000…0x4fffff in c1 (qemu-a) failed with EFAULT, but 1 mapping (1 MiB) had been "
                + "removed by then."
        )
        it.unmapReturns(300, iova: 0x70_0000, size: 0x1000, result: -14)
        #expect(it.engine.openFindings.map(\.occurrences) == [1])
    }

    @Test func lessThanWasAskedForBecauseThereWasNoMore() {
        var it = plain()
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        it.unmapReturns(201, iova: 0x10_0000, size: 0x10_0000, requested: 0x40_0000)
        #expect(it.said == ["unmap-mismatch info open"])
        #expect(
            it.findings[0].message
                == "An unmap of 0x100000…0x4fffff in c1 (qemu-a) succeeded and removed 1 MiB of 4 MiB: there was no "
                + "other mapping."
        )
        #expect(it.findings[0].iova == 0x10_0000 && it.findings[0].size == 0x40_0000)
    }

    @Test func lessThanWasAskedForThoughThereIsMore() {
        var it = plain()
        it.mapRAM(120, iova: 0x20_0000, by: vmB)
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        it.unmapReturns(201, iova: 0x10_0000, size: 0x10_0000, requested: 0x20_0000)
        #expect(it.said == ["unmap-mismatch low open"])
        #expect(
            it.findings[0].message
                == "An unmap of 0x100000…0x2fffff in c1 (qemu-a) succeeded and removed 1 MiB of 2 MiB, "
                + "but 0x200000…0x200fff is mapped, made by qemu-b (pid 200).")
    }

    /// type1, not type1v2.
    @Test func moreThanWasAskedFor() {
        var it = plain()
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        it.unmapReturns(201, iova: 0x10_0000, size: 0x10_0000, requested: 0x1000)
        #expect(it.said == ["unmap-mismatch low open"])
        #expect(
            it.findings[0].message
                == "An unmap of 0x100000…0x100fff in c1 (qemu-a) succeeded and removed 1 MiB: it was asked for 4 KiB, "
                + "which ended within a mapping."
        )
    }

    @Test func asMuchAsWasAskedForAndEverythingAtOnceAreInOrder() {
        var it = plain()
        it.remove(200, iova: 0x10_0000, size: 0x10_0000)
        it.unmapReturns(201, iova: 0x10_0000, size: 0x10_0000, requested: 0x10_0000)
        it.mapRAM(202, iova: 0x30_0000)
        it.remove(203, iova: 0x30_0000)
        it.unmapReturns(204, iova: 0, size: 0x1000, flags: UnmapRequest.allFlag)
        // Removals were lost: nothing follows.
        it.unmapReturns(205, iova: 0x30_0000, size: 0x1000, requested: 0x2000)
        #expect(it.said == [])
    }

    /// The request began before the range that is mapped now.
    @Test func anEmptyUnmapCountsForAllItsRange() {
        var it = plain()
        it.unmapReturns(200, iova: 0x0, size: 0, requested: 0x40_0000, by: vmB)
        #expect(
            it.findings[0].message.hasSuffix(
                "succeeded and removed nothing, but 0x100000…0x1fffff is mapped, made by qemu-a (pid 100)."))
        it.mapRAM(300, iova: 0x10_0000, result: -17, by: vmB)
        #expect(
            it.findings[1].message.hasSuffix("An unmap request for it succeeded shortly before and removed nothing."))
    }

    // MARK: unmap-bisects

    @Test(arguments: [
        (UInt64(0x18_0000), UInt64(0x8_0000)), (0x0, 0x18_0000), (0x18_0000, 0x1000), (0x10_0000, 0x1000),
    ])
    func aRangeThatCutsAMapping(iova: UInt64, size: UInt64) {
        var it = plain()
        it.unmapReturns(200, iova: iova, size: size, result: -22)
        #expect(it.said == ["unmap-bisects low open"])
        #expect(
            it.findings[0].message.hasSuffix(
                "failed with EINVAL: it would have cut the mapping 0x100000…0x1fffff, which is in force whole."))
    }

    @Test func otherFailuresCutNothing() {
        var it = plain()
        it.unmapReturns(200, iova: 0x10_0000, size: 0x10_0000, result: -22)
        it.unmapReturns(201, iova: 0x0, size: 0x40_0000, result: -22)
        it.unmapReturns(202, iova: 0x18_0000, size: 0x1000, result: -14)
        it.unmapReturns(203, iova: 0x18_0000, size: 0, result: -22)
        it.unmapReturns(204, iova: .max - 0xfff, size: 0x2000, result: -22)
        #expect(it.said == [])
    }

    // MARK: map-exists

    @Test func theMappingInTheWayIsNamed() {
        var it = plain()
        it.mapRAM(200, iova: 0x0, size: 0x40_0000, result: -17)
        #expect(it.said == ["map-exists low open"])
        #expect(
            it.findings[0].message
                == "A map of 0x0…0x3fffff in c1 (qemu-a) failed with EEXIST: 0x100000…0x1fffff is mapped, by qemu-a "
                + "(pid 100)."
        )
    }

    // MARK: map-failed

    @Test func aBARWithItsMemoryDisabledIsExpectedToFail() {
        var it = plain()
        it.at(200, .memoryDecode(nic, enabled: false, by: .vfio))
        it.at(201, .map(Map(iommu: i1, iova: 0x9000_0000, size: size, result: -14)))
        #expect(it.said == ["map-failed info open"])
        #expect(
            it.findings[0].message.hasSuffix(
                "failed with EFAULT: the memory of 0000:02:00.0 does not answer now, and cannot be mapped."))
        it.at(300, .memoryDecode(nic, enabled: true, by: .vfio))
        it.at(301, .map(Map(iommu: i1, iova: 0x9000_0000, size: size, result: -14)))
        #expect(it.said.last == "map-failed low open")
        #expect(
            it.findings[1].message.hasSuffix(
                "failed with EFAULT: a page of the range is not mapped in the process, or not with that access."))
    }

    @Test func partsOfABARThatWereReachedAreNamed() {
        var it = plain()
        it.at(200, .extent(Extent(iova: 0x9000_0000, address: nicBar + 0x1000, size: 0x1000)))
        it.at(
            201, .map(Map(iommu: i1, iova: 0x9000_0000, size: 0x4000, result: -14, deviceBytes: 0x1000, extentCount: 1))
        )
        #expect(it.said == ["map-failed low open"])
        #expect(
            it.findings[0].device == nic && it.findings[0].bar == 0 && it.findings[0].barOffset == 0x1000
                && it.findings[0].reachable == true)
        #expect(!it.findings[0].isOfMapping)
    }

    // MARK: odd-flags

    @Test func writeWithoutRead() {
        var it = plain()
        it.mapRAM(200, iova: 0x50_0000, readable: false)
        #expect(it.said == ["odd-flags info open"])
        it.at(201, .map(Map(iommu: i1, iova: 0x60_0000, size: 0x1000, readable: true, writable: false)))
        #expect(it.engine.openFindings.map(\.occurrences) == [1])
    }
}
