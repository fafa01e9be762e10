// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

@testable import MappingGraph

/// Tests the index of mappings against a sorted array, and its memory.
@Suite struct MappingIndexTests {
    private func page(_ number: UInt64, owner: UInt32 = 0) -> Mapping {
        Mapping(iova: number << 12, size: 4096, owner: owner)
    }

    @Test func everyFieldSurvives() {
        var index = MappingIndex()
        let all = [
            Mapping(
                iova: 0, size: 0xffff_ffff_ffff_f000, readable: true, writable: false, provenance: .inferred, owner: 7,
                peer: nil),
            Mapping(
                iova: 0xffff_ffff_ffff_f000, size: 4096, readable: false, writable: true, provenance: .snapshot,
                owner: .max, peer: 0),
        ]
        for mapping in all { index.insert(mapping) }
        #expect(Array(index) == all)
    }

    @Test func aRangeMayEndAtTheLastByte() {
        var index = MappingIndex()
        index.insert(Mapping(iova: .max - 0x1fff, size: 0x2000))
        #expect(index.floor(.max)?.iova == UInt64.max - 0x1fff)
        #expect(index.floor(.max)?.last == UInt64.max)
        #expect(index.floor(.max - 0x2000) == nil)
        #expect(index.remove(.max - 0x1fff)?.size == 0x2000)
        #expect(index.isEmpty)
    }

    @Test func floorKnowsGapsAndEnds() {
        var index = MappingIndex()
        for number in stride(from: UInt64(10), to: 4000, by: 10) {
            index.insert(Mapping(iova: number << 12, size: 5 << 12))
        }
        #expect(index.floor(10 << 12)?.iova == 10 << 12)
        #expect(index.floor((15 << 12) - 1)?.iova == 10 << 12)
        #expect(index.floor(15 << 12) == nil)
        #expect(index.floor((10 << 12) - 1) == nil)
        #expect(index.floor(.max) == nil)
        #expect(index.find(11 << 12) == nil)
    }

    @Test func insertReturnsTheReplacedMapping() {
        var index = MappingIndex()
        #expect(index.insert(page(1, owner: 1)) == nil)
        #expect(index.insert(page(1, owner: 2))?.owner == 1)
        #expect(index.count == 1)
        #expect(index.find(1 << 12)?.owner == 2)
        #expect(index.remove(2 << 12) == nil)
    }

    /// Leaves are full, so a mapping takes about 24 bytes.
    @Test(arguments: [true, false]) func inOrderItIsDense(ascending: Bool) {
        var index = MappingIndex()
        let pages: UInt64 = 100_000
        for number in 0..<pages { index.insert(page(ascending ? number : pages - 1 - number)) }
        #expect(index.brokenInvariant() == nil)
        #expect(index.elementsEqual((0..<pages).lazy.map { page($0) }))
        #expect(index.allocatedBytes <= 25 * Int(pages))
    }

    @Test(arguments: [true, false]) func removalFromAnEndFreesLeaves(front: Bool) {
        var index = MappingIndex()
        let pages: UInt64 = 50_000
        for number in 0..<pages { index.insert(page(number)) }
        for step in 0..<pages {
            index.remove((front ? step : pages - 1 - step) << 12)
            if step % 5000 == 0 { #expect(index.brokenInvariant() == nil) }
        }
        #expect(index.isEmpty)
        #expect(index.allocatedBytes < 1024)
    }

    @Test func aQueueStaysSmall() {
        var index = MappingIndex()
        for number in 0..<UInt64(200_000) {
            index.insert(page(number))
            if number >= 300 { index.remove((number - 300) << 12) }
        }
        #expect(index.brokenInvariant() == nil)
        #expect(index.count == 300)
        #expect(index.allocatedBytes < 40_000)
    }

    /// Runs that end just before existing entries. Each would leave a leaf of one entry behind if
    /// the next leaf were not filled first.
    @Test func descendingRunsInGapsStayDense() {
        var index = MappingIndex()
        for block in 0..<UInt64(600) { for number in 0..<UInt64(128) { index.insert(page(block << 20 | number)) } }
        for block in 0..<UInt64(600) {
            for number in 0..<UInt64(128) { index.insert(page(block << 20 | (0x8000 - number))) }
        }
        #expect(index.brokenInvariant() == nil)
        #expect(index.allocatedBytes <= 56 * index.count)
    }

    @Test func aCopyKeepsItsContents() {
        var index = MappingIndex()
        for number in 0..<UInt64(1000) { index.insert(page(number)) }
        let copy = index
        let walk = index.makeIterator()
        for number in 0..<UInt64(1000) where number % 3 != 0 { index.remove(number << 12) }
        #expect(copy.count == 1000)
        #expect(copy.brokenInvariant() == nil)
        #expect(IteratorSequence(walk).elementsEqual(copy))
        #expect(index.count == 334)
    }

    /// Compares with a sorted array. Pages are drawn from a small set, so that inserts replace and
    /// removals hit.
    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8]) func agreesWithASortedArray(seed: UInt64) {
        var random = Random(seed: seed)
        var index = MappingIndex()
        var model: [UInt64: Mapping] = [:]
        var wrong = 0
        let range = seed % 2 == 0 ? 600 : 40_000
        for step in 0..<60_000 {
            // In waves: mostly growing, then mostly shrinking.
            let growing = step / 10_000 % 2 == 0
            let number = UInt64(random.below(range))
            let key = seed == 4 ? 0xffff_ffff_ffff_f000 - number << 12 : number << 12
            if random.chance(growing ? 75 : 25) {
                let mapping = Mapping(iova: key, size: 4096, owner: UInt32(step))
                wrong += index.insert(mapping) == model.updateValue(mapping, forKey: key) ? 0 : 1
            } else {
                wrong += index.remove(key) == model.removeValue(forKey: key) ? 0 : 1
            }
            if index.floor(key | 0xabc) != model[key] { wrong += 1 }
            if step % 5000 == 0 { check(index, model, seed, step) }
        }
        #expect(wrong == 0, "seed \(seed)")
        check(index, model, seed, 60_000)
        if index.count > 5000 { #expect(index.allocatedBytes <= 56 * index.count) }
        for key in model.keys { index.remove(key) }
        #expect(index.isEmpty)
        #expect(index.brokenInvariant() == nil)
    }

    private func check(_ index: MappingIndex, _ model: [UInt64: Mapping], _ seed: UInt64, _ step: Int) {
        #expect(index.brokenInvariant() == nil, "seed \(seed), step \(step)")
        #expect(index.count == model.count)
        #expect(index.elementsEqual(model.values.sorted { $0.iova < $1.iova }), "seed \(seed), step \(step)")
    }

    /// More than one full branch (256 leaves of 128): splits and merges of branches.
    @Test(arguments: [UInt64(11), 12]) func branchesSplitAndMerge(seed: UInt64) {
        var random = Random(seed: seed)
        var index = MappingIndex()
        var keys: [UInt64] = []
        for _ in 0..<150_000 {
            let key = UInt64(random.below(1 << 40)) << 12
            if index.insert(Mapping(iova: key, size: 4096)) == nil { keys.append(key) }
        }
        #expect(index.brokenInvariant() == nil, "seed \(seed)")
        #expect(index.storage!.rootCount > 2)
        while !keys.isEmpty {
            let position = random.below(keys.count)
            keys.swapAt(position, keys.count - 1)
            index.remove(keys.removeLast())
            if keys.count % 25_000 == 0 {
                #expect(index.brokenInvariant() == nil, "seed \(seed), \(keys.count) left")
                if keys.count > 10_000 { #expect(index.allocatedBytes <= 56 * index.count) }
            }
        }
        #expect(index.isEmpty)
    }
}
