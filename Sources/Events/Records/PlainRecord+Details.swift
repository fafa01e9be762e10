import CRecords

extension PlainRecord {
    /// What graph and rules do not ask for, and a line does.
    public struct Details: Sendable {
        public let recorded: RecordedActor
        /// Of a map: the user address. Of an unmap request: the bytes asked for, 0 when not known.
        @usableFromInline let word: UInt64

        /// - Precondition: `record` points to the record that is `plain`.
        @inlinable @inline(__always)
        public init(_ plain: PlainRecord, at record: UnsafeRawPointer) {
            recorded = RecordedActor(at: record)
            switch plain.kind {
            case .map: word = record.assumingMemoryBound(to: vs_map.self).pointee.vaddr
            case .removal: word = 0
            case .unmapRequest: word = record.assumingMemoryBound(to: vs_unmap.self).pointee.requested
            }
        }

        @inlinable public var vaddr: UInt64 { word }
        @inlinable public var requested: UInt64? { word == 0 ? nil : word }
    }
}

extension Event {
    /// The event that a plain record stands for.
    public init(_ plain: PlainRecord, _ details: PlainRecord.Details) {
        self.init(plain, by: details.recorded.actor, vaddr: details.vaddr, requested: details.requested)
    }

    @inline(__always)
    init(_ plain: PlainRecord, by actor: Actor, vaddr: UInt64, requested: UInt64?) {
        switch plain.kind {
        case .map:
            kind = .map(
                Map(
                    iommu: plain.iommu, iova: plain.iova, vaddr: vaddr, size: plain.size, writable: plain.writable,
                    began: plain.began))
        case .removal:
            kind = .mappingRemoved(
                MappingRemoved(iommu: plain.iommu, iova: plain.iova, size: plain.size, cause: .request))
        case .unmapRequest:
            kind = .unmapRequest(
                UnmapRequest(
                    iommu: plain.iommu, iova: plain.iova, size: plain.size, flags: 0, result: 0, requested: requested))
        }
        time = plain.time
        self.actor = actor
    }
}
