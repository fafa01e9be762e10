/// The memory behind a `MappingIndex`: root → branches → leaves, by hand, because an array of arrays would copy or retain on the hot path.
///
/// First keys are exact at every level: a branch's key is its leaf's first IOVA, the root's is its branch's. The invariants are in
/// `MappingIndex+Invariants.swift`.
final class MappingStorage: @unchecked Sendable {
    static let leafCapacity = 128
    static let branchCapacity = 256
    /// Neighbours merge when they hold this many or fewer together: below the capacity, so that one insert does not split them again.
    static let leafMerge = 120
    static let branchMerge = 240

    /// Up to `leafCapacity` entries from `start`, so that both ends grow and shrink without moves.
    struct Leaf {
        var entries: UnsafeMutablePointer<MappingEntry>
        var start: Int32
        var count: Int32

        var first: UnsafeMutablePointer<MappingEntry> { entries + Int(start) }
        var size: Int { Int(count) }
    }

    struct Branch {
        /// The first IOVA of all.
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

    private(set) var root: UnsafeMutablePointer<Branch>
    private(set) var rootCount = 0
    private(set) var rootCapacity = 8
    private(set) var count = 0
    private(set) var leafCount = 0
    private var pool = LeafPool()
    /// The leaves that the last insertion and the last removal came to: the next is likely to come there, too.
    private var insertedAt = Hint()
    private var removedAt = Hint()

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
        // First keys are exact: only before the very first entry is there nothing.
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

    /// The leaf that holds or would hold `iova`, and there the first entry not below it. Only when not empty.
    private func locate(_ iova: UInt64) -> Position {
        var low = 0, rest = rootCount
        // Without branches: which way a search goes is nothing that a processor could guess.
        while rest > 1 {
            let half = rest >> 1
            low = root[low + half].first <= iova ? low + half : low
            rest -= half
        }
        let b = low
        let keys = root[b].keys
        low = 0
        rest = root[b].count
        while rest > 1 {
            let half = rest >> 1
            low = keys[low + half] <= iova ? low + half : low
            rest -= half
        }
        return Position(branch: b, leaf: low, entry: entry(notBelow: iova, in: root[b].leaves[low]))
    }

    /// The same, looking first at the leaf that the last one of its kind came to. A hint can be of any age: it is checked.
    @inline(__always)
    private func locate(_ iova: UInt64, near hint: inout Hint) -> Position {
        if hint.branch < rootCount, hint.leaf < root[hint.branch].count {
            let branch = root + hint.branch, keys = branch.pointee.keys
            let isBeforeNext = hint.leaf + 1 < branch.pointee.count ? iova < keys[hint.leaf + 1] : hint.branch + 1 == rootCount || iova < root[hint.branch + 1].first
            if isBeforeNext, keys[hint.leaf] <= iova {
                return Position(branch: hint.branch, leaf: hint.leaf, entry: entry(notBelow: iova, in: branch.pointee.leaves[hint.leaf]))
            }
        }
        let found = locate(iova)
        hint = Hint(branch: found.branch, leaf: found.leaf)
        return found
    }

    /// The first entry of a leaf that is not below `iova`, or its size. The ends come first: ascending maps and unmaps are there.
    @inline(__always)
    private func entry(notBelow iova: UInt64, in leaf: Leaf) -> Int {
        let first = leaf.first
        if first.pointee.iova >= iova { return 0 }
        if first[leaf.size - 1].iova < iova { return leaf.size }
        var low = 0, rest = leaf.size
        while rest > 1 {
            let half = rest >> 1
            low = first[low + half].iova < iova ? low + half : low
            rest -= half
        }
        return low + 1
    }

    // MARK: Inserting

    func insert(_ entry: MappingEntry) -> MappingEntry? {
        guard count > 0 else {
            insertBranch(at: 0)
            insertLeaf(branch: 0, at: 0, holding: entry, fromEnd: false)
            count = 1
            return nil
        }
        let lastBranch = rootCount - 1
        let lastLeaf = root[lastBranch].count - 1
        let tail = root[lastBranch].leaves + lastLeaf
        let size = tail.pointee.size, end = tail.pointee.first + size
        if entry.iova > (end - 1).pointee.iova {
            if Int(tail.pointee.start) + size < Self.leafCapacity {
                end.pointee = entry
                tail.pointee.count += 1
            } else {
                insert(entry, at: Position(branch: lastBranch, leaf: lastLeaf, entry: size))
            }
            count += 1
            return nil
        }
        let at = locate(entry.iova, near: &insertedAt)
        let leaf = root[at.branch].leaves[at.leaf]
        if at.entry < leaf.size, leaf.first[at.entry].iova == entry.iova {
            let old = leaf.first[at.entry]
            leaf.first[at.entry] = entry
            return old
        }
        insert(entry, at: at)
        count += 1
        return nil
    }

    private func insert(_ entry: MappingEntry, at: Position) {
        let size = root[at.branch].leaves[at.leaf].size
        if size < Self.leafCapacity {
            place(entry, at: at)
        } else if at.entry == size {
            // Past the end of a full leaf: into the next one, or a new one, which an ascending run then fills.
            if let next = leafAfter(at), root[next.branch].leaves[next.leaf].size < Self.leafCapacity {
                place(entry, at: next)
            } else {
                insertLeaf(branch: at.branch, at: at.leaf + 1, holding: entry, fromEnd: false)
            }
        } else if at.entry == 0 {
            // Before everything: only the very first leaf is asked for that.
            insertLeaf(branch: at.branch, at: at.leaf, holding: entry, fromEnd: true)
        } else {
            split(at, inserting: entry)
        }
    }

    private func leafAfter(_ at: Position) -> Position? {
        if at.leaf + 1 < root[at.branch].count { return Position(branch: at.branch, leaf: at.leaf + 1, entry: 0) }
        return at.branch + 1 < rootCount ? Position(branch: at.branch + 1, leaf: 0, entry: 0) : nil
    }

    /// Puts an entry into a leaf with room, moving whichever side can and costs less.
    private func place(_ entry: MappingEntry, at: Position) {
        let slot = root[at.branch].leaves + at.leaf
        let size = slot.pointee.size
        if at.entry == size, Int(slot.pointee.start) + size == Self.leafCapacity {
            // A queue: make room for many appends at once.
            slot.pointee.entries.update(from: slot.pointee.first, count: size)
            slot.pointee.start = 0
        }
        let first = slot.pointee.first
        let roomAtFront = slot.pointee.start > 0
        let roomAtEnd = Int(slot.pointee.start) + size < Self.leafCapacity
        if roomAtFront, !roomAtEnd || at.entry < size - at.entry {
            (first - 1).update(from: first, count: at.entry)
            slot.pointee.start -= 1
        } else {
            (first + at.entry + 1).update(from: first + at.entry, count: size - at.entry)
        }
        slot.pointee.count += 1
        slot.pointee.first[at.entry] = entry
        if at.entry == 0 { setFirst(branch: at.branch, leaf: at.leaf, entry.iova) }
    }

    private func split(_ at: Position, inserting entry: MappingEntry) {
        let half = Self.leafCapacity / 2
        let left = root[at.branch].leaves[at.leaf]
        insertLeaf(branch: at.branch, at: at.leaf + 1, holding: left.first[half], fromEnd: false)
        // The branch may have split: find both halves again by their keys.
        let leftKey = left.first[0].iova, rightKey = left.first[half].iova
        let right = locate(rightKey)
        (root[right.branch].leaves[right.leaf].entries).update(from: left.first + half, count: left.size - half)
        root[right.branch].leaves[right.leaf].count = left.count - Int32(half)
        let start = locate(leftKey)
        root[start.branch].leaves[start.leaf].count = Int32(half)
        place(entry, at: locate(entry.iova))
    }

    private func setFirst(branch b: Int, leaf l: Int, _ iova: UInt64) {
        root[b].keys[l] = iova
        if l == 0 { root[b].first = iova }
    }

    private func insertLeaf(branch: Int, at position: Int, holding entry: MappingEntry, fromEnd: Bool) {
        var b = branch, l = position
        if root[b].count == Self.branchCapacity { (b, l) = makeRoom(branch: b, at: l) }
        let leaves = root[b].leaves, keys = root[b].keys, moved = root[b].count - l
        (leaves + l + 1).update(from: leaves + l, count: moved)
        (keys + l + 1).update(from: keys + l, count: moved)
        let start = fromEnd ? Self.leafCapacity - 1 : 0
        let entries = pool.allocate()
        entries[start] = entry
        leaves[l] = Leaf(entries: entries, start: Int32(start), count: 1)
        root[b].count += 1
        leafCount += 1
        setFirst(branch: b, leaf: l, entry.iova)
    }

    /// Where a leaf meant for `position` of a full branch goes.
    private func makeRoom(branch b: Int, at position: Int) -> (branch: Int, leaf: Int) {
        let capacity = Self.branchCapacity
        if position == capacity {
            if b + 1 < rootCount, root[b + 1].count < capacity { return (b + 1, 0) }
            insertBranch(at: b + 1)
            return (b + 1, 0)
        }
        if position == 0 {
            insertBranch(at: b)
            return (b, 0)
        }
        insertBranch(at: b + 1)
        let half = capacity / 2
        root[b + 1].leaves.update(from: root[b].leaves + half, count: capacity - half)
        root[b + 1].keys.update(from: root[b].keys + half, count: capacity - half)
        root[b + 1].count = capacity - half
        root[b + 1].first = root[b + 1].keys[0]
        root[b].count = half
        return position <= half ? (b, position) : (b + 1, position - half)
    }

    private func insertBranch(at b: Int) {
        if rootCount == rootCapacity {
            let larger = UnsafeMutablePointer<Branch>.allocate(capacity: rootCapacity * 2)
            larger.update(from: root, count: rootCount)
            root.deallocate()
            root = larger
            rootCapacity *= 2
        }
        (root + b + 1).update(from: root + b, count: rootCount - b)
        root[b] = Branch(first: 0, keys: .allocate(capacity: Self.branchCapacity), leaves: .allocate(capacity: Self.branchCapacity), count: 0)
        rootCount += 1
    }

    // MARK: Removing

    func remove(_ iova: UInt64) -> MappingEntry? {
        guard count > 0 else { return nil }
        let at = locate(iova, near: &removedAt)
        let slot = root[at.branch].leaves + at.leaf
        let size = slot.pointee.size, first = slot.pointee.first
        guard at.entry < size, first[at.entry].iova == iova else { return nil }
        let old = first[at.entry]
        if at.entry < size - 1 - at.entry {
            (first + 1).update(from: first, count: at.entry)
            slot.pointee.start += 1
        } else {
            (first + at.entry).update(from: first + at.entry + 1, count: size - 1 - at.entry)
        }
        slot.pointee.count -= 1
        count -= 1
        if size == 1 {
            pool.free(slot.pointee.entries)
            removeLeafSlot(branch: at.branch, leaf: at.leaf)
            if count == 0 { pool.removeAll() }
        } else {
            if at.entry == 0 { setFirst(branch: at.branch, leaf: at.leaf, slot.pointee.first[0].iova) }
            mergeLeaf(branch: at.branch, leaf: at.leaf)
        }
        return old
    }

    private func mergeLeaf(branch b: Int, leaf l: Int) {
        let size = root[b].leaves[l].size
        if l + 1 < root[b].count, size + root[b].leaves[l + 1].size <= Self.leafMerge {
            joinNext(branch: b, leaf: l)
        } else if l > 0, size + root[b].leaves[l - 1].size <= Self.leafMerge {
            joinNext(branch: b, leaf: l - 1)
        }
    }

    /// Moves the entries of the leaf after `l` to the end of `l`.
    private func joinNext(branch b: Int, leaf l: Int) {
        let slot = root[b].leaves + l
        let next = root[b].leaves[l + 1]
        if Int(slot.pointee.start) + slot.pointee.size + next.size > Self.leafCapacity {
            slot.pointee.entries.update(from: slot.pointee.first, count: slot.pointee.size)
            slot.pointee.start = 0
        }
        (slot.pointee.first + slot.pointee.size).update(from: next.first, count: next.size)
        slot.pointee.count += next.count
        pool.free(next.entries)
        removeLeafSlot(branch: b, leaf: l + 1)
    }

    private func removeLeafSlot(branch b: Int, leaf l: Int) {
        leafCount -= 1
        let leaves = root[b].leaves, keys = root[b].keys, moved = root[b].count - l - 1
        (leaves + l).update(from: leaves + l + 1, count: moved)
        (keys + l).update(from: keys + l + 1, count: moved)
        root[b].count -= 1
        if root[b].count == 0 {
            removeBranchSlot(b)
            return
        }
        if l == 0 { root[b].first = keys[0] }
        if b + 1 < rootCount, root[b].count + root[b + 1].count <= Self.branchMerge {
            joinNextBranch(b)
        } else if b > 0, root[b].count + root[b - 1].count <= Self.branchMerge {
            joinNextBranch(b - 1)
        }
    }

    private func joinNextBranch(_ b: Int) {
        let next = root[b + 1]
        (root[b].leaves + root[b].count).update(from: next.leaves, count: next.count)
        (root[b].keys + root[b].count).update(from: next.keys, count: next.count)
        root[b].count += next.count
        removeBranchSlot(b + 1)
    }

    private func removeBranchSlot(_ b: Int) {
        root[b].leaves.deallocate()
        root[b].keys.deallocate()
        (root + b).update(from: root + b + 1, count: rootCount - b - 1)
        rootCount -= 1
    }
}
