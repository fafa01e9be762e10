// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Memory for the leaves of one index, in slabs. A new slab is an eighth of the present memory, at
/// most 2 MiB. A slab of 2 MiB is one huge page where the system allows that by `madvise`.
/// Otherwise ten million mappings would cost a page fault for every 170 of them.
///
/// A freed leaf is reused for the next one. All slabs are freed at once, when the index is empty.
struct LeafPool {
    static let leafBytes = MappingStorage.leafCapacity * MemoryLayout<MappingEntry>.stride
    private static let largestSlab = 2 << 20

    private var slabs: [UnsafeMutableRawBufferPointer] = []
    private var bytes = 0
    /// Freed leaves, linked by their first word.
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

    /// Frees every slab. No leaf may be in use.
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
        // Not available on every system. A failure does no harm.
        if isHuge { madvise(slab.baseAddress, count, MADV_HUGEPAGE) }
        slabs.append(slab)
        bytes += count
        unused = slab.baseAddress
        unusedLeaves = count / Self.leafBytes
    }
}
