import Glibc

/// Memory for the leaves of one index, in slabs of an eighth of what there is, up to 2 MiB: from
/// there on a slab is one huge page, where the system allows it by `madvise`, and ten million
/// mappings do not cost a page fault for every 170 of them.
///
/// A freed leaf serves the next one; slabs go back all at once, when the index is empty.
struct LeafPool {
    static let leafBytes = MappingStorage.leafCapacity * MemoryLayout<MappingEntry>.stride
    private static let largestSlab = 2 << 20

    private var slabs: [UnsafeMutableRawBufferPointer] = []
    private var bytes = 0
    /// Leaves that were given back, linked by their first word.
    private var freed: UnsafeMutableRawPointer?
    private var unused: UnsafeMutableRawPointer?
    private var unusedLeaves = 0

    mutating func allocate() -> UnsafeMutablePointer<MappingEntry> {
        if let leaf = freed {
            freed = leaf.load(as: UnsafeMutableRawPointer?.self)
            return leaf.assumingMemoryBound(to: MappingEntry.self)
        }
        if unusedLeaves == 0 { addSlab() }
        let leaf = unused.unsafelyUnwrapped
        unused = leaf + Self.leafBytes
        unusedLeaves -= 1
        return leaf.bindMemory(to: MappingEntry.self, capacity: MappingStorage.leafCapacity)
    }

    mutating func free(_ leaf: UnsafeMutablePointer<MappingEntry>) {
        let raw = UnsafeMutableRawPointer(leaf)
        raw.storeBytes(of: freed, as: UnsafeMutableRawPointer?.self)
        freed = raw
    }

    /// Gives every slab back. No leaf may be in use.
    mutating func removeAll() {
        for slab in slabs { slab.deallocate() }
        self = LeafPool()
    }

    @inline(never)
    private mutating func addSlab() {
        let share = max(bytes / 8 / Self.leafBytes, 1) * Self.leafBytes
        let count = share >= Self.largestSlab / 2 ? Self.largestSlab : share
        let isHuge = count == Self.largestSlab
        let slab = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: isHuge ? Self.largestSlab : 64)
        // Not to be had on every system, and no loss then.
        if isHuge { madvise(slab.baseAddress, count, MADV_HUGEPAGE) }
        slabs.append(slab)
        bytes += count
        unused = slab.baseAddress
        unusedLeaves = count / Self.leafBytes
    }
}
