import CRecords

/// What nearly all records are, read in place without making an event of them: RAM without a file
/// mapped, removed on request, or asked to be unmapped, and all of it went well.
///
/// Whoever prints events needs the event; graph and rules do not. What a plain record means is what
/// its event means: the model tests hold the one against the other.
public struct PlainRecord: Sendable {
    public enum Kind: UInt8, Sendable { case map, removal, unmapRequest }

    public var kind: Kind
    public var writable: Bool
    public var tid: UInt32
    /// Nanoseconds since boot.
    public var time: UInt64
    /// Of a map: when the first page was pinned, or 0.
    public var began: UInt64
    public var process: ProcessKey
    public var iommu: IOMMUKey
    public var iova: UInt64
    /// Bytes.
    public var size: UInt64

    @inlinable @inline(__always)
    init(
        _ kind: Kind, _ header: UnsafePointer<vs_header>, iommu: UInt64, iova: UInt64, size: UInt64,
        writable: Bool = false, began: UInt64 = 0
    ) {
        self.kind = kind
        self.writable = writable
        tid = header.pointee.tid
        time = header.pointee.time
        process = ProcessKey(pid: header.pointee.tgid, start: header.pointee.start)
        self.began = began
        self.iommu = IOMMUKey(iommu)
        self.iova = iova
        self.size = size
    }
}

extension RecordDecoder {
    /// The record at `record`, if it is plain; nil says nothing but that `decode` has to look at
    /// it. O(1).
    ///
    /// - Precondition: `record` points to `count` readable bytes, aligned to 8.
    @inlinable @inline(__always)
    public func plain(_ record: UnsafeRawPointer, count: Int) -> PlainRecord? {
        guard count >= MemoryLayout<vs_remove>.size else { return nil }
        let header = record.assumingMemoryBound(to: vs_header.self)
        switch vs_type(UInt32(header.pointee.type)) {
        case VS_MAP where count >= MemoryLayout<vs_map>.size:
            let raw = record.assumingMemoryBound(to: vs_map.self)
            // A map's flags are all of the unusual.
            guard raw.pointee.ret == 0, raw.pointee.flags == 0, raw.pointee.device_bytes == 0, raw.pointee.extents == 0,
                raw.pointee.backing_kind == 0,
                raw.pointee.prot & 1 != 0
            else { return nil }
            return PlainRecord(
                .map, header, iommu: raw.pointee.iommu, iova: raw.pointee.iova, size: raw.pointee.size,
                writable: raw.pointee.prot & 2 != 0,
                began: raw.pointee.begin)
        case VS_REMOVE:
            let raw = record.assumingMemoryBound(to: vs_remove.self)
            guard raw.pointee.flags == 0, !isTakingDown else { return nil }
            return PlainRecord(
                .removal, header, iommu: raw.pointee.iommu, iova: raw.pointee.iova, size: raw.pointee.size)
        case VS_UNMAP where count >= MemoryLayout<vs_unmap>.size:
            let raw = record.assumingMemoryBound(to: vs_unmap.self)
            guard raw.pointee.ret == 0, raw.pointee.flags == 0, raw.pointee.size != 0,
                raw.pointee.requested == raw.pointee.size || raw.pointee.requested == 0
            else { return nil }
            return PlainRecord(
                .unmapRequest, header, iommu: raw.pointee.iommu, iova: raw.pointee.iova, size: raw.pointee.size)
        default: return nil
        }
    }
}
