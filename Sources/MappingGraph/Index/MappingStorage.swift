// SPDX-License-Identifier: Apache-2.0
/// The memory of a `MappingIndex`: root → branches → leaves. It is managed by hand, because an
/// array of arrays would copy or retain on the hot path.
///
/// First keys are exact at every level: a branch's key is its leaf's first IOVA, the root's is its
/// branch's. The invariants are in `MappingIndex+Invariants.swift`; only the `+Inserting` and
/// `+Removing` files change the tree.
final class MappingStorage: @unchecked Sendable {
    static let leafCapacity = 128
    static let branchCapacity = 256
    /// Neighbours merge when they hold at most this many entries together. It is below the
    /// capacity, so that one insert does not split them again.
    static let leafMerge = 120
    static let branchMerge = 240

    /// Up to `leafCapacity` entries from `start`, so that both ends can grow and shrink without
    /// moves.
    struct Leaf {
        var entries: UnsafeMutablePointer<MappingEntry>
        var start: Int32
        var count: Int32

        var first: UnsafeMutablePointer<MappingEntry> { entries + Int(start) }
        var size: Int { Int(count) }
    }

    struct Branch {
        /// The branch's first IOVA.
        var first: UInt64
        var keys: UnsafeMutablePointer<UInt64>
        var leaves: UnsafeMutablePointer<Leaf>
        var count: Int
    }

    struct Position {
        var branch = 0
        var leaf = 0
        var entry = 0
    }

    var root: UnsafeMutablePointer<Branch>
    var rootCount = 0
    var rootCapacity = 8
    var count = 0
    var leafCount = 0
    var pool = LeafPool()
    /// The leaves of the last insertion and the last removal: the next is likely to be in the same
    /// leaf.
    var insertedAt = Hint()
    var removedAt = Hint()

    struct Hint {
        var branch = 0
        var leaf = 0
    }

    init() { root = .allocate(capacity: 8) }

    deinit {
        for b in 0..<rootCount {
            root[b].keys.deallocate()
            root[b].leaves.deallocate()
        }
        root.deallocate()
        pool.removeAll()
    }

    var allocatedBytes: Int {
        leafCount * LeafPool.leafBytes
            + rootCount * Self.branchCapacity * (MemoryLayout<UInt64>.stride + MemoryLayout<Leaf>.stride)
            + rootCapacity * MemoryLayout<Branch>.stride
    }

    /// A deep copy. O(*n*).
    func clone() -> MappingStorage {
        let copy = MappingStorage()
        for b in 0..<rootCount {
            copy.insertBranch(at: b)
            for l in 0..<root[b].count {
                let leaf = root[b].leaves[l]
                let entries = copy.pool.allocate()
                (entries + Int(leaf.start)).update(from: leaf.first, count: leaf.size)
                copy.root[b].leaves[l] = Leaf(entries: entries, start: leaf.start, count: leaf.count)
                copy.root[b].keys[l] = root[b].keys[l]
            }
            copy.root[b].first = root[b].first
            copy.root[b].count = root[b].count
        }
        copy.count = count
        copy.leafCount = leafCount
        return copy
    }

    // MARK: Looking up

    func find(_ iova: UInt64) -> MappingEntry? {
        guard count > 0 else { return nil }
        let at = locate(iova)
        let leaf = root[at.branch].leaves[at.leaf]
        guard at.entry < leaf.size, leaf.first[at.entry].iova == iova else { return nil }
        return leaf.first[at.entry]
    }

    /// The last entry that begins at or before `iova`.
    func floor(_ iova: UInt64) -> MappingEntry? {
        guard count > 0 else { return nil }
        let at = locate(iova)
        let leaf = root[at.branch].leaves[at.leaf]
        if at.entry < leaf.size, leaf.first[at.entry].iova == iova { return leaf.first[at.entry] }
        // First keys are exact, so nothing is found only before the very first entry.
        return at.entry > 0 ? leaf.first[at.entry - 1] : nil
    }

    func entry(advancing at: inout Position) -> MappingEntry? {
        while at.branch < rootCount {
            let branch = root[at.branch]
            if at.leaf < branch.count {
                let leaf = branch.leaves[at.leaf]
                if at.entry < leaf.size {
                    at.entry += 1
                    return leaf.first[at.entry - 1]
                }
                at.leaf += 1
                at.entry = 0
            } else {
                at.branch += 1
                at.leaf = 0
            }
        }
        return nil
    }

    /// Returns the leaf that holds or would hold `iova`, and in it the position of the first entry
    /// not below `iova`. The storage must not be empty.
    func locate(_ iova: UInt64) -> Position {
        let b = Self.last(of: rootCount) { root[$0].first <= iova }
        let keys = root[b].keys
        let l = Self.last(of: root[b].count) { keys[$0] <= iova }
        return Position(branch: b, leaf: l, entry: entry(notBelow: iova, in: root[b].leaves[l]))
    }

    /// Does the same, but checks the leaf of the previous operation of the same kind first. A hint
    /// can be out of date, so it is verified.
    @inline(__always)
    func locate(_ iova: UInt64, near hint: inout Hint) -> Position {
        if hint.branch < rootCount, hint.leaf < root[hint.branch].count {
            let branch = root + hint.branch, keys = branch.pointee.keys
            let isBeforeNext =
                hint.leaf + 1 < branch.pointee.count
                ? iova < keys[hint.leaf + 1] : hint.branch + 1 == rootCount || iova < root[hint.branch + 1].first
            if isBeforeNext, keys[hint.leaf] <= iova {
                return Position(
                    branch: hint.branch, leaf: hint.leaf,
                    entry: entry(notBelow: iova, in: branch.pointee.leaves[hint.leaf]))
            }
        }
        let found = locate(iova)
        hint = Hint(branch: found.branch, leaf: found.leaf)
        return found
    }

    /// The position of the first entry of a leaf that is not below `iova`, or the leaf's size. The
    /// ends are checked first, because ascending maps and unmaps are there.
    @inline(__always)
    private func entry(notBelow iova: UInt64, in leaf: Leaf) -> Int {
        let first = leaf.first
        if first.pointee.iova >= iova { return 0 }
        if first[leaf.size - 1].iova < iova { return leaf.size }
        return Self.last(of: leaf.size) { first[$0].iova < iova } + 1
    }

    /// The last index below `count` for which `holds` is true, or 0. `holds` must be true up to
    /// some index and false after it.
    ///
    /// The search branches, and every other branch is mispredicted. A search with conditional moves
    /// takes as long at a thousand mappings and 1.5 times as long at three million: each of its
    /// steps waits for the memory of the previous step, while a predicted branch, even a wrong one,
    /// fetches ahead.
    @inline(__always)
    private static func last(of count: Int, where holds: (Int) -> Bool) -> Int {
        var low = 0, rest = count
        while rest > 1 {
            let half = rest >> 1
            low = holds(low + half) ? low + half : low
            rest -= half
        }
        return low
    }
}
