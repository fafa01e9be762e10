// SPDX-License-Identifier: Apache-2.0
import Events

/// The mappings of one container, in order of IOVA: a chunked sorted array with 24 bytes for each
/// mapping.
///
/// Leaves of up to 128 entries hang under branches of up to 256 leaves, and the branches under one
/// root array. Appending in ascending order fills leaves completely and moves nothing; removal from
/// the front moves a leaf's start, not its entries. A value: a copy shares its storage until one of
/// the two changes.
///
/// Starts are unique; overlap is not checked, because the kernel has done so (`vfio_find_dma` in
/// `vfio_dma_do_map`, all versions).
public struct MappingIndex: Sendable {
    var storage: MappingStorage?

    public init() {}

    /// The number of mappings. O(1).
    public var count: Int { storage?.count ?? 0 }

    public var isEmpty: Bool { count == 0 }

    /// Bytes of heap in use, without the allocator's own. O(1).
    public var allocatedBytes: Int { storage?.allocatedBytes ?? 0 }

    /// Adds a mapping. Returns the mapping that it replaces, which began at the same IOVA. O(1) in
    /// ascending order, else O(log *n*) plus at most a leaf's worth of moves; allocates only for a
    /// new leaf.
    @discardableResult
    public mutating func insert(_ mapping: Mapping) -> Mapping? {
        makeUnique()
        return withStorage { $0.insert(MappingEntry(mapping)) }?.mapping
    }

    /// Removes the mapping that begins exactly at `iova`. O(log *n*), without moves at either end
    /// of a leaf.
    @discardableResult
    public mutating func remove(_ iova: UInt64) -> Mapping? {
        guard storage != nil else { return nil }
        makeUnique()
        return withStorage { $0.remove(iova) }?.mapping
    }

    /// Frees everything. O(*n* / 128).
    public mutating func removeAll() { storage = nil }

    /// The mapping that begins exactly at `iova`. O(log *n*).
    public func find(_ iova: UInt64) -> Mapping? { storage?.find(iova)?.mapping }

    /// The mapping that contains the byte at `iova`, its first and last byte included. O(log *n*).
    public func floor(_ iova: UInt64) -> Mapping? {
        guard let entry = storage?.floor(iova), iova &- entry.iova < entry.size else { return nil }
        return entry.mapping
    }

    /// The highest mapping that has a byte in `first` … `last`, both included. O(log *n*).
    public func overlapping(_ first: UInt64, _ last: UInt64) -> Mapping? {
        // Mappings do not overlap. So if any mapping reaches into the range, the last one that
        // begins in or before it does.
        guard let entry = storage?.floor(last), entry.iova >= first || first &- entry.iova < entry.size else {
            return nil
        }
        return entry.mapping
    }

    @inline(__always)
    private mutating func makeUnique() {
        if !isKnownUniquelyReferenced(&storage) { storage = storage?.clone() ?? MappingStorage() }
    }

    /// No other index shares the storage, so it does not need to be retained for the call.
    @inline(__always)
    private func withStorage<T>(_ body: (MappingStorage) -> T) -> T {
        Unmanaged.passUnretained(storage.unsafelyUnwrapped)._withUnsafeGuaranteedRef { body($0) }
    }
}

extension MappingIndex: Sequence {
    public var underestimatedCount: Int { count }

    public func makeIterator() -> Iterator { Iterator(storage: storage) }

    /// Iterates in ascending order of IOVA. O(1) for each step. A change to the index meanwhile
    /// does not affect the iteration.
    public struct Iterator: IteratorProtocol {
        let storage: MappingStorage?
        var position = MappingStorage.Position()

        public mutating func next() -> Mapping? {
            guard let storage, let entry = storage.entry(advancing: &position) else { return nil }
            return entry.mapping
        }
    }
}

/// A mapping in 24 bytes. Sizes are multiples of 4096, so the low 12 bits hold flags.
struct MappingEntry {
    var iova: UInt64
    var sizeAndFlags: UInt64
    var owner: UInt32
    /// `PeerMapping.id`, all ones for none.
    var peer: UInt32

    static let noPeer = UInt32.max
    static let flagBits: UInt64 = 0xfff

    var size: UInt64 { sizeAndFlags & ~Self.flagBits }

    /// A size that is not a multiple of 4096, which no kernel reports, is rounded up.
    init(_ mapping: Mapping) {
        iova = mapping.iova
        let (sum, overflow) = mapping.size.addingReportingOverflow(Self.flagBits)
        let size = (overflow ? UInt64.max : sum) & ~Self.flagBits
        sizeAndFlags =
            size | (mapping.readable ? 1 : 0) | (mapping.writable ? 2 : 0) | UInt64(mapping.provenance.rawValue & 3)
            << 2 | (mapping.isTargetUnknown ? 16 : 0)
        owner = mapping.owner
        peer = mapping.peer ?? Self.noPeer
    }

    var mapping: Mapping {
        var mapping = Mapping(
            iova: iova, size: size, readable: sizeAndFlags & 1 != 0, writable: sizeAndFlags & 2 != 0,
            provenance: Provenance(rawValue: UInt8(truncatingIfNeeded: sizeAndFlags >> 2) & 3) ?? .inferred,
            owner: owner, peer: peer == Self.noPeer ? nil : peer)
        mapping.isTargetUnknown = sizeAndFlags & 16 != 0
        return mapping
    }
}
