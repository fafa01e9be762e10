// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Kernel

// Translating IOVAs with page tables in a model of kernel memory.
private typealias Run = IOMMUTable.Run

/// A model of kernel memory: page-table pages by address, and how often each was read.
private final class FakeMemory {
    static let linearMap: UInt64 = 0xffff_8880_0000_0000
    static let table: UInt64 = 3  // present: read and write
    static let large: UInt64 = 0x83
    static let page: UInt64 = 3

    let levels: Int
    let root: UInt64
    private(set) var pages: [UInt64: [UInt64]] = [:]
    private(set) var reads: [UInt64: Int] = [:]
    var unreadable: Set<UInt64> = []
    private var nextPhysical: UInt64 = 0x10_0000

    init(levels: Int) {
        self.levels = levels
        root = Self.linearMap + 0x10_0000
        _ = newPage()
    }

    private func newPage() -> UInt64 {
        defer { nextPhysical += 0x1000 }
        pages[Self.linearMap + nextPhysical] = [UInt64](repeating: 0, count: 512)
        return nextPhysical
    }

    /// The address of the table of `level` on the way to `iova`; creates missing tables.
    @discardableResult
    func table(_ level: Int, of iova: UInt64) -> UInt64 {
        var address = root
        for above in stride(from: levels, to: level, by: -1) {
            let slot = Int(iova >> (12 + 9 * UInt64(above - 1)) & 511)
            // Bits above 51 do not belong to the address: here execute-disable, and a bit for
            // software.
            if pages[address]![slot] == 0 { pages[address]![slot] = newPage() | Self.table | 1 << 63 | 1 << 52 }
            address = Self.linearMap + pages[address]![slot] & 0x000f_ffff_ffff_f000
        }
        return address
    }

    /// Maps `iova` to a physical address; `level` 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB.
    func map(_ iova: UInt64, to physical: UInt64, level: Int = 1) {
        let address = table(level, of: iova)
        pages[address]![Int(iova >> (12 + 9 * UInt64(level - 1)) & 511)] =
            physical | (level == 1 ? Self.page : Self.large) | 1 << 63
    }

    func read(_ address: UInt64, into entries: inout [UInt64]) -> Bool {
        reads[address, default: 0] += 1
        guard !unreadable.contains(address), let page = pages[address] else { return false }
        entries = page
        return true
    }

    func makeTable() -> IOMMUTable { IOMMUTable(root: root, levels: levels, linearMap: Self.linearMap) }

    func runs(_ iova: UInt64, size: UInt64, _ windows: [(first: UInt64, last: UInt64)] = everything) -> [Run] {
        var table = makeTable()
        return runs(&table, iova, size: size, windows)
    }

    func runs(
        _ table: inout IOMMUTable, _ iova: UInt64, size: UInt64, _ windows: [(first: UInt64, last: UInt64)] = everything
    ) -> [Run] {
        table.runs(from: iova, last: iova &+ (size &- 1), within: windows) { read($0, into: &$1) }.found
    }
}

private let everything: [(first: UInt64, last: UInt64)] = [(0, .max)]
private let bar: UInt64 = 0x38_0000_0000
private let mib: UInt64 = 1 << 20, gib: UInt64 = 1 << 30

@Suite("The IOMMU's page table")
struct IOMMUTableTests {
    @Test(arguments: [3, 4, 5]) func neighboursBecomeOneRun(levels: Int) {
        let memory = FakeMemory(levels: levels)
        // Across the border of two last-level tables.
        let iova: UInt64 = 2 * mib - 0x2000
        for page in 0..<4 as Range<UInt64> { memory.map(iova + page << 12, to: bar + page << 12) }
        #expect(memory.runs(iova, size: 0x4000) == [Run(iova: iova, address: bar, size: 0x4000)])
        #expect(
            memory.runs(iova + 0x1000, size: 0x1000) == [Run(iova: iova + 0x1000, address: bar + 0x1000, size: 0x1000)])
    }

    @Test(arguments: [3, 4, 5]) func everyLevelCounts(levels: Int) {
        let memory = FakeMemory(levels: levels)
        // A bit of each level's index.
        var iova: UInt64 = 0
        for level in 0..<UInt64(levels) { iova |= (level + 1) << (12 + 9 * level) }
        memory.map(iova, to: bar)
        #expect(memory.runs(iova, size: 0x1000) == [Run(iova: iova, address: bar, size: 0x1000)])
        #expect(memory.reads.count == levels)
        for level in 0..<UInt64(levels) {
            let other: UInt64 = iova ^ (1 << (12 + 9 * level))
            #expect(memory.runs(other, size: 0x1000).isEmpty)
        }
    }

    @Test func neighboursThatLeadApartAreTwoRuns() {
        let memory = FakeMemory(levels: 4)
        memory.map(0x1000, to: bar + 0x1000)
        memory.map(0x2000, to: bar)
        memory.map(0x3000, to: bar + 0x1000)
        #expect(
            memory.runs(0x1000, size: 0x3000) == [
                Run(iova: 0x1000, address: bar + 0x1000, size: 0x1000), Run(iova: 0x2000, address: bar, size: 0x2000),
            ])
    }

    @Test func largePagesWithAnOffsetInside() {
        let memory = FakeMemory(levels: 4)
        memory.map(4 * mib, to: bar + 2 * mib, level: 2)
        #expect(
            memory.runs(4 * mib + 0x5000, size: 0x3000) == [
                Run(iova: 4 * mib + 0x5000, address: bar + 2 * mib + 0x5000, size: 0x3000)
            ])
        memory.map(gib, to: 4 * gib, level: 3)
        #expect(
            memory.runs(gib + 0x1234_5000, size: 0x2000) == [
                Run(iova: gib + 0x1234_5000, address: 4 * gib + 0x1234_5000, size: 0x2000)
            ])
    }

    /// The mapping begins in 4 KiB pages, continues in a large page and ends in the middle of it.
    @Test func aMappingMayEndInsideALargePage() {
        let memory = FakeMemory(levels: 4)
        memory.map(2 * mib - 0x1000, to: bar + 2 * mib - 0x1000)
        memory.map(2 * mib, to: bar + 2 * mib, level: 2)
        #expect(
            memory.runs(2 * mib - 0x1000, size: 0x9000) == [
                Run(iova: 2 * mib - 0x1000, address: bar + 2 * mib - 0x1000, size: 0x9000)
            ])
        #expect(
            memory.runs(2 * mib, size: 2 * mib + 0x1000) == [Run(iova: 2 * mib, address: bar + 2 * mib, size: 2 * mib)])
        memory.map(4 * mib, to: bar + 4 * mib, level: 2)
        #expect(memory.runs(2 * mib, size: 3 * mib) == [Run(iova: 2 * mib, address: bar + 2 * mib, size: 3 * mib)])
    }

    @Test func holesPartRuns() {
        let memory = FakeMemory(levels: 4)
        memory.map(0x1000, to: bar)
        memory.map(0x3000, to: bar + 0x2000)
        // The 2 MiB in between, and the next GiB, have no table at all.
        memory.map(6 * mib, to: bar + 0x3000)
        memory.map(2 * gib, to: bar + 0x4000)
        #expect(
            memory.runs(0, size: 2 * gib + 0x1000) == [
                Run(iova: 0x1000, address: bar, size: 0x1000), Run(iova: 0x3000, address: bar + 0x2000, size: 0x1000),
                Run(iova: 6 * mib, address: bar + 0x3000, size: 0x1000),
                Run(iova: 2 * gib, address: bar + 0x4000, size: 0x1000),
            ])
    }

    @Test func onlyWhatLiesInAWindowCounts() {
        let memory = FakeMemory(levels: 4)
        for page in 0..<8 as Range<UInt64> { memory.map(page << 12, to: bar + page << 12) }
        #expect(
            memory.runs(0, size: 0x8000, [(bar + 0x2000, bar + 0x4fff)]) == [
                Run(iova: 0x2000, address: bar + 0x2000, size: 0x3000)
            ])
        #expect(
            memory.runs(0, size: 0x8000, [(bar, bar + 0xfff), (bar + 0x6000, .max)])
                == [Run(iova: 0, address: bar, size: 0x1000), Run(iova: 0x6000, address: bar + 0x6000, size: 0x2000)])
        #expect(memory.runs(0, size: 0x8000, [(0, bar - 1), (bar + 0x8000, .max)]).isEmpty)
        #expect(memory.runs(0, size: 0x8000, []).isEmpty)
    }

    @Test func anUnreadablePageEndsWithWhatWasFound() {
        let memory = FakeMemory(levels: 4)
        memory.map(0x1000, to: bar)
        memory.map(2 * mib, to: bar + 0x1000)
        memory.map(4 * mib, to: bar + 0x2000)
        memory.unreadable = [memory.table(1, of: 2 * mib)]
        var table = memory.makeTable()
        #expect(memory.runs(&table, 0, size: 6 * mib) == [Run(iova: 0x1000, address: bar, size: 0x1000)])
        let (_, areAll) = table.runs(from: 0, last: 6 * mib, within: everything) { memory.read($0, into: &$1) }
        #expect(!areAll)
        // The next mapping is still read, and so is the page itself once it is readable.
        #expect(memory.runs(&table, 4 * mib, size: 0x1000) == [Run(iova: 4 * mib, address: bar + 0x2000, size: 0x1000)])
        memory.unreadable = []
        #expect(memory.runs(&table, 2 * mib, size: 0x1000) == [Run(iova: 2 * mib, address: bar + 0x1000, size: 0x1000)])
        memory.unreadable = [memory.root]
        #expect(memory.runs(0, size: 6 * mib).isEmpty)
    }

    @Test func aHoleIsKnownToBeOne() {
        let memory = FakeMemory(levels: 4)
        memory.map(0x1000, to: bar)
        var table = memory.makeTable()
        let (found, areAll) = table.runs(from: 0x2000, last: 4 * gib, within: everything) { memory.read($0, into: &$1) }
        #expect(found.isEmpty && areAll)
    }

    @Test func eachPageIsReadOnce() {
        let memory = FakeMemory(levels: 4)
        for page in 0..<1024 as Range<UInt64> { memory.map(page << 12, to: bar + page << 12) }
        var table = memory.makeTable()
        #expect(memory.runs(&table, 0, size: 0x8000).count == 1)
        #expect(memory.runs(&table, 0x8000, size: 0x10_0000).count == 1)
        #expect(memory.runs(&table, 0x10_8000, size: 4 * mib - 0x10_8000).count == 1)
        // Three pages on the way down, and two of the last level.
        #expect(memory.reads.count == 5)
        #expect(memory.reads.values.allSatisfy { $0 == 1 })
    }

    @Test func theLastPageOfAll() {
        let memory = FakeMemory(levels: 5)
        let iova = UInt64.max - 0xfff
        memory.map(iova, to: bar)
        #expect(memory.runs(iova, size: 0x1000) == [Run(iova: iova, address: bar, size: 0x1000)])
    }

    @Test func withoutATableNothingIsRead() {
        var none = IOMMUTable(root: 0, levels: 4, linearMap: FakeMemory.linearMap)
        var odd = IOMMUTable(root: FakeMemory.linearMap, levels: 6, linearMap: FakeMemory.linearMap)
        var flat = IOMMUTable(root: FakeMemory.linearMap, levels: 0, linearMap: FakeMemory.linearMap)
        var reads = 0
        let read = { (_: UInt64, _: inout [UInt64]) in
            reads += 1
            return true
        }
        for (found, areAll) in [
            none.runs(from: 0, last: 0xfff, within: everything, read: read),
            odd.runs(from: 0, last: 0xfff, within: everything, read: read),
            flat.runs(from: 0, last: 0xfff, within: everything, read: read),
        ] { #expect(found.isEmpty && !areAll) }
        #expect(reads == 0)
    }
}
