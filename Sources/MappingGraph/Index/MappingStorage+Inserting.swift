// SPDX-License-Identifier: Apache-2.0
/// Insertion of mappings, with splits of leaves and branches.
extension MappingStorage {
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
            // The entry belongs after the end of a full leaf: it goes into the next leaf, or into a
            // new one, which an ascending run then fills.
            if let next = leafAfter(at), root[next.branch].leaves[next.leaf].size < Self.leafCapacity {
                place(entry, at: next)
            } else {
                insertLeaf(branch: at.branch, at: at.leaf + 1, holding: entry, fromEnd: false)
            }
        } else if at.entry == 0 {
            // The entry belongs before all others: only possible in the very first leaf.
            insertLeaf(branch: at.branch, at: at.leaf, holding: entry, fromEnd: true)
        } else {
            split(at, inserting: entry)
        }
    }

    private func leafAfter(_ at: Position) -> Position? {
        if at.leaf + 1 < root[at.branch].count { return Position(branch: at.branch, leaf: at.leaf + 1, entry: 0) }
        return at.branch + 1 < rootCount ? Position(branch: at.branch + 1, leaf: 0, entry: 0) : nil
    }

    /// Inserts an entry into a leaf that has room. Moves the side that can move at less cost.
    private func place(_ entry: MappingEntry, at: Position) {
        let slot = root[at.branch].leaves + at.leaf
        let size = slot.pointee.size
        if at.entry == size, Int(slot.pointee.start) + size == Self.leafCapacity {
            // The leaf is used as a queue: make room for many appends at once.
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

    func setFirst(branch b: Int, leaf l: Int, _ iova: UInt64) {
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

    /// Makes room for a leaf at `position` of a full branch: splits the branch, or adds a
    /// neighbour. Returns where the leaf goes.
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

    func insertBranch(at b: Int) {
        if rootCount == rootCapacity {
            let larger = UnsafeMutablePointer<Branch>.allocate(capacity: rootCapacity * 2)
            larger.update(from: root, count: rootCount)
            root.deallocate()
            root = larger
            rootCapacity *= 2
        }
        (root + b + 1).update(from: root + b, count: rootCount - b)
        root[b] = Branch(
            first: 0, keys: .allocate(capacity: Self.branchCapacity), leaves: .allocate(capacity: Self.branchCapacity),
            count: 0)
        rootCount += 1
    }
}
