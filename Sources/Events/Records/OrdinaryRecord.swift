// SPDX-License-Identifier: Apache-2.0
import CRecords

/// The content of nearly all records as one small value: private RAM was mapped, removed on
/// request, or asked to be unmapped, and the call succeeded.
///
/// An event is twice as large, because it can hold any kind of event. So the decoder makes this
/// value when it can, and the graph and the rules consume it without an event. Printing also needs
/// the `Details`. `Event(record, details)` is the same in the general form; tests check that both
/// lead to the same result.
public struct OrdinaryRecord: Sendable {
    public enum Kind: UInt8, Sendable { case map, removal, unmapRequest }

    public let kind: Kind
    /// For a map: whether devices may write.
    public let isWritable: Bool
    public let tid: UInt32
    /// Nanoseconds since boot.
    public let time: UInt64
    /// For a map: when the first page was pinned, or 0.
    public let began: UInt64
    public let process: ProcessKey
    public let iommu: IOMMUKey
    public let iova: UInt64
    /// Bytes.
    public let size: UInt64

    @inlinable @inline(__always)
    init(
        _ kind: Kind, at time: UInt64, by process: ProcessKey, tid: UInt32, iommu: UInt64, iova: UInt64, size: UInt64,
        isWritable: Bool = false, began: UInt64 = 0
    ) {
        self.kind = kind
        self.isWritable = isWritable
        self.tid = tid
        self.time = time
        self.began = began
        self.process = process
        self.iommu = IOMMUKey(iommu)
        self.iova = iova
        self.size = size
    }

    /// The parts that the graph and the rules do not use: who acted, and the call's other argument.
    public struct Details: Sendable {
        public let actor: Actor
        /// For a map: the user address. For an unmap request: the number of bytes requested, 0 if
        /// unknown.
        @usableFromInline let argument: UInt64

        @inlinable @inline(__always)
        init(_ actor: Actor, argument: UInt64) {
            self.actor = actor
            self.argument = argument
        }
    }

    /// The call, for a map.
    @inlinable
    public func map(_ details: Details) -> MapRequest {
        MapRequest(iommu: iommu, iova: iova, vaddr: details.argument, size: size, writable: isWritable, began: began)
    }

    /// The call, for an unmap request.
    @inlinable
    public func unmapRequest(_ details: Details) -> UnmapRequest {
        UnmapRequest(
            iommu: iommu, iova: iova, size: size, flags: 0, result: 0,
            requested: details.argument == 0 ? nil : details.argument)
    }
}

extension Event {
    /// The event that an ordinary record stands for.
    public init(_ record: OrdinaryRecord, _ details: OrdinaryRecord.Details) {
        switch record.kind {
        case .map: kind = .map(record.map(details))
        case .removal:
            kind = .mappingRemoved(
                MappingRemoved(iommu: record.iommu, iova: record.iova, size: record.size, cause: .request))
        case .unmapRequest: kind = .unmapRequest(record.unmapRequest(details))
        }
        time = record.time
        actor = details.actor
    }
}

extension RecordDecoder {
    /// The record at `record`, if it is ordinary; nil if `decode` has to read it. O(1), without
    /// allocation.
    ///
    /// - Precondition: `record` points to `count` readable bytes, aligned to 8.
    @inlinable @inline(__always)
    public func ordinary(_ record: UnsafeRawPointer, count: Int) -> OrdinaryRecord? {
        guard count >= MemoryLayout<vs_remove>.size else { return nil }
        let header = record.assumingMemoryBound(to: vs_header.self)
        let process = ProcessKey(pid: header.pointee.tgid, start: header.pointee.start)
        let time = header.pointee.time, tid = header.pointee.tid
        switch vs_type(UInt32(header.pointee.type)) {
        case VS_MAP where count >= MemoryLayout<vs_map>.size:
            let raw = record.assumingMemoryBound(to: vs_map.self)
            // Every flag of a map means something unusual.
            guard raw.pointee.ret == 0, raw.pointee.flags == 0, raw.pointee.device_bytes == 0,
                raw.pointee.extents == 0, raw.pointee.backing_kind == 0, raw.pointee.prot & 1 != 0
            else { return nil }
            return OrdinaryRecord(
                .map, at: time, by: process, tid: tid, iommu: raw.pointee.iommu, iova: raw.pointee.iova,
                size: raw.pointee.size, isWritable: raw.pointee.prot & 2 != 0, began: raw.pointee.begin)
        case VS_REMOVE:
            let raw = record.assumingMemoryBound(to: vs_remove.self)
            guard raw.pointee.flags == 0, !isTakingDown else { return nil }
            return OrdinaryRecord(
                .removal, at: time, by: process, tid: tid, iommu: raw.pointee.iommu, iova: raw.pointee.iova,
                size: raw.pointee.size)
        case VS_UNMAP where count >= MemoryLayout<vs_unmap>.size:
            let raw = record.assumingMemoryBound(to: vs_unmap.self)
            guard raw.pointee.ret == 0, raw.pointee.flags == 0, raw.pointee.size != 0,
                raw.pointee.requested == raw.pointee.size || raw.pointee.requested == 0
            else { return nil }
            return OrdinaryRecord(
                .unmapRequest, at: time, by: process, tid: tid, iommu: raw.pointee.iommu, iova: raw.pointee.iova,
                size: raw.pointee.size)
        default: return nil
        }
    }
}

extension OrdinaryRecord.Details {
    /// Reads the details from the record that `ordinary` was read from.
    @inlinable @inline(__always)
    public init(_ ordinary: OrdinaryRecord, at record: UnsafeRawPointer) {
        let argument =
            switch ordinary.kind {
            case .map: record.assumingMemoryBound(to: vs_map.self).pointee.vaddr
            case .removal: UInt64(0)
            case .unmapRequest: record.assumingMemoryBound(to: vs_unmap.self).pointee.requested
            }
        self.init(Actor(at: record), argument: argument)
    }
}
