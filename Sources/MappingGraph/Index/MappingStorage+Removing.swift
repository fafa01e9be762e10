// SPDX-License-Identifier: Apache-2.0
/// Removal of mappings, with merges of leaves and branches.
extension MappingStorage {
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
