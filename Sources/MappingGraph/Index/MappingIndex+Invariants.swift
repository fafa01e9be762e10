// SPDX-License-Identifier: Apache-2.0
/// A check of the index's invariants.
extension MappingIndex {
    /// The first violated invariant, or nil: for tests. O(*n*).
    ///
    /// Checked: keys ascend strictly over all leaves; first keys are exact at both upper levels; no
    /// leaf or branch is empty or over its capacity; a leaf's entries lie inside its allocation;
    /// the counts add up.
    public func brokenInvariant() -> String? {
        guard let storage else { return nil }
        var entries = 0, leaves = 0
        var previous: UInt64?
        for b in 0..<storage.rootCount {
            let branch = storage.root[b]
            guard branch.count > 0, branch.count <= MappingStorage.branchCapacity else {
                return "branch \(b) holds \(branch.count) leaves"
            }
            guard branch.first == branch.keys[0] else { return "branch \(b): the root's key is not its first" }
            for l in 0..<branch.count {
                let leaf = branch.leaves[l]
                guard leaf.count > 0, leaf.start >= 0, Int(leaf.start) + leaf.size <= MappingStorage.leafCapacity else {
                    return "leaf \(b)/\(l) has start \(leaf.start), count \(leaf.count)"
                }
                guard branch.keys[l] == leaf.first[0].iova else {
                    return "leaf \(b)/\(l): the branch's key is not its first"
                }
                for i in 0..<leaf.size {
                    if let previous, previous >= leaf.first[i].iova {
                        return "leaf \(b)/\(l), entry \(i): not ascending"
                    }
                    previous = leaf.first[i].iova
                }
                entries += leaf.size
                leaves += 1
            }
        }
        if entries != storage.count { return "\(entries) entries, counted \(storage.count)" }
        if leaves != storage.leafCount { return "\(leaves) leaves, counted \(storage.leafCount)" }
        return nil
    }
}
