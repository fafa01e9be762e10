// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// When `memlock-budget` fires, and when it is silent.
@Suite struct MemlockBudgetTests {
    private let page: UInt64 = 0x1000

    /// A process that may lock 100 pages.
    private func start(rules: [any Rule] = RuleRegistry.all) -> Host {
        var it = Host(rules: rules.filter { $0.slug == "memlock-budget" })
        it.at(2, .containerOpen(c1))
        it.at(3, .groupAttach(gpuGroup, c1))
        it.at(4, .iommuOpen(i1, type: 1, container: nil))
        it.at(5, .iommuAttach(i1, group: gpuGroup, result: 0))
        it.describe(vmA, lock: MemoryLock(limit: 100 * page, isLifted: false), at: 6)
        return it
    }

    private func map(_ it: inout Host, _ pages: Range<UInt64>, at time: UInt64, by actor: Actor = vmA) {
        for number in pages { it.mapRAM(time + number, iova: number << 16, size: page, by: actor) }
    }

    @Test func from95To90Percent() {
        var it = start()
        map(&it, 0..<94, at: 100)
        it.advance(to: 3000)
        #expect(it.reported == [])
        map(&it, 94..<95, at: 4000)
        it.advance(to: 6000)
        #expect(it.reported == ["memlock-budget low open"])
        #expect(it.findings[0].actor == vmA && it.findings[0].container == ContainerID(1))
        #expect(
            it.findings[0].message.hasPrefix("qemu-a (pid 100) has 380 KiB pinned by mappings, and may lock 400 KiB"))
        for number in UInt64(0)..<5 { it.remove(7000 + number, iova: number << 16) }
        #expect(it.reported.count == 1)
        it.remove(7010, iova: 5 << 16)
        #expect(it.reported.last == "memlock-budget low resolved")
        // Between the marks it is not reported again.
        map(&it, 0..<2, at: 8000)
        it.advance(to: 20_000)
        #expect(it.reported.count == 2)
    }

    @Test func aMomentIsNoFinding() {
        var it = start()
        map(&it, 0..<99, at: 100)
        for number in UInt64(0)..<20 { it.remove(300 + number, iova: number << 16) }
        it.advance(to: 5000)
        #expect(it.reported == [])
    }

    @Test func othersMemoryIsTheirs() {
        var it = start()
        map(&it, 0..<90, at: 100)
        map(&it, 90..<200, at: 100, by: vmB)
        it.advance(to: 5000)
        #expect(it.reported == [])
    }

    /// What an inherited limit allowed, a lower one does not; a higher one, or CAP_IPC_LOCK, ends
    /// it.
    @Test(arguments: [
        MemoryLock(limit: 0x100_0000, isLifted: false), MemoryLock(limit: nil, isLifted: false),
        MemoryLock(limit: 4096, isLifted: true),
    ])
    func theLimitChanges(_ relieved: MemoryLock) {
        var it = start()
        it.describe(vmA, lock: MemoryLock(limit: nil, isLifted: false), at: 7)
        map(&it, 0..<99, at: 100)
        it.advance(to: 3000)
        #expect(it.reported == [])
        it.describe(vmA, lock: MemoryLock(limit: 100 * page, isLifted: false), at: 4000)
        it.advance(to: 6000)
        #expect(it.reported == ["memlock-budget low open"])
        it.describe(vmA, lock: relieved, at: 7000)
        #expect(it.reported.last == "memlock-budget low resolved")
    }

    /// It is reported once, for the container whose mapping reached the mark, and ends with it.
    @Test func severalContainers() {
        var it = start()
        map(&it, 0..<60, at: 100)
        let other = IOMMUKey(0x2000)
        it.at(1000, .containerOpen(c2))
        it.at(1001, .groupAttach(nicGroup, c2))
        it.at(1002, .iommuOpen(other, type: 1, container: nil))
        it.at(1003, .iommuAttach(other, group: nicGroup, result: 0))
        for number in UInt64(0)..<40 {
            it.at(1100 + number, .map(MapRequest(iommu: other, iova: number << 16, size: page)))
        }
        it.advance(to: 3000)
        #expect(it.reported == ["memlock-budget low open"] && it.findings[0].container == ContainerID(2))
        // A mapping of the first container goes, and relieves it.
        for number in UInt64(0)..<11 { it.remove(4000 + number, iova: number << 16) }
        #expect(it.reported.last == "memlock-budget low resolved")
    }

    @Test func theProcessExits() {
        var it = start()
        map(&it, 0..<99, at: 100)
        it.advance(to: 3000)
        it.at(4000, .processExit)
        #expect(it.reported == ["memlock-budget low open", "memlock-budget low resolved"])
    }

    @Test func anotherThresholdSetsTheMark() throws {
        var rule = try #require(RuleRegistry.rule("memlock-budget") as? any RuleWithThreshold)
        rule.threshold.value = 50
        var it = start(rules: [rule])
        map(&it, 0..<50, at: 100)
        it.advance(to: 3000)
        #expect(it.reported == ["memlock-budget low open"])
    }

    @Test func messagesContainTheRate() {
        let second: UInt64 = 1_000_000_000
        var it = start()
        // 20 pages a second up to 96.
        for number in UInt64(0)..<96 { it.mapRAM(10 * second + number * second / 20, iova: number << 16, size: page) }
        it.advance(to: 15 * second)
        #expect(
            it.findings.first?.message.hasSuffix("ENOMEM. At the present rate that happens within a second.") == true)
    }
}
