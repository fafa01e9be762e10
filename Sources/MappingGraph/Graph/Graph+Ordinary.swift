import Events

/// The short way for ordinary records: private RAM mapped or unmapped, in a container and by a
/// process that the graph knows already.
extension Graph {
    /// Brings the graph up to date and leaves in `applied` what the record meant: what `apply`
    /// leaves for its event. O(log *n*) in the mappings of the container.
    ///
    /// - Parameter event: the record's; only made when the state that it meets is unusual.
    @inlinable @inline(__always)
    public mutating func apply(_ record: OrdinaryRecord, event: () -> Event, into applied: inout Applied) {
        if !applyOrdinary(record, &applied) { apply(event(), into: &applied) }
    }

    @usableFromInline
    mutating func applyOrdinary(_ record: OrdinaryRecord, _ applied: inout Applied) -> Bool {
        guard let change = applyOrdinary(record) else { return false }
        applied.setOrdinary(ContainerID(UInt32(truncatingIfNeeded: cachedSlot + 1)), change)
        return true
    }

    /// Does all that `apply` does for the record's event, and returns what of its container may
    /// have changed; or does nothing and returns nil, when the state that the record meets is
    /// unusual.
    @inline(__always)
    private mutating func applyOrdinary(_ record: OrdinaryRecord) -> Applied.ContainerChange? {
        guard walk == nil, select(record.iommu) else { return nil }
        switch record.kind {
        case .map: return map(record)
        case .removal: return remove(record)
        case .unmapRequest:
            _ = requests.take(record.iommu, thread: record.tid)
            return .nothing
        }
    }

    /// Makes `cachedSlot` the container's, if it is known. O(1); no hash for the one that came
    /// last.
    @inline(__always)
    private mutating func select(_ iommu: IOMMUKey) -> Bool {
        if cachedSlot >= 0, cachedIOMMU == iommu { return true }
        guard let slot = byIOMMU[iommu] else { return false }
        cachedSlot = slot
        cachedIOMMU = iommu
        return true
    }

    @inline(__always)
    private mutating func map(_ record: OrdinaryRecord) -> Applied.ContainerChange? {
        // A removal that came before its map is of one that had begun by then.
        let began = record.began, tid = record.tid
        guard extents.isEmpty || !extents.holds(tid), orphans.isEmpty || began == 0 || began > orphans.latest,
            let owner = actors.known(record.process), actors.state(owner) == .alive
        else { return nil }
        let count = slots[cachedSlot].insert(
            Mapping(
                iova: record.iova, size: record.size, readable: true, writable: record.isWritable,
                provenance: .observed,
                owner: owner, peer: nil), at: record.time)
        guard count > 0 else { return nil }
        let isNear = actors.pin(record.size, by: owner, slot: cachedSlot, at: record.time)
        return count == 1 ? .state : isNear || count == mappingMark ? .count : .nothing
    }

    @inline(__always)
    private mutating func remove(_ record: OrdinaryRecord) -> Applied.ContainerChange? {
        guard let old = slots[cachedSlot].take(record.iova) else { return nil }
        guard old.peer == nil, actors.state(old.owner) == .alive else {
            slots[cachedSlot].index.insert(old)
            return nil
        }
        slots[cachedSlot].bytes &-= old.size
        slots[cachedSlot].growth.add(-1, at: record.time)
        requests.note(
            MappingRemoved(iommu: record.iommu, iova: record.iova, size: record.size, cause: .request),
            thread: record.tid)
        recentRemovals.insert(iommu: record.iommu, iova: record.iova, time: record.time)
        let count = slots[cachedSlot].index.count
        let isRelieved = actors.unpin(old.size, by: old.owner, at: record.time)
        return isRelieved || count == 0 ? .state : count == mappingRelief - 1 ? .count : .nothing
    }
}

extension Graph.Slot {
    /// How many mappings there are with the new one; 0, and nothing has changed, when one begins
    /// there already.
    @inline(__always)
    fileprivate mutating func insert(_ mapping: Mapping, at time: UInt64) -> Int {
        if let old = index.insert(mapping) {
            index.insert(old)
            return 0
        }
        bytes &+= mapping.size
        growth.add(1, at: time)
        return index.count
    }

    /// The mapping that begins at `iova`, no longer in the index; nil, and nothing has changed,
    /// when there is none, or it may have a file.
    @inline(__always)
    fileprivate mutating func take(_ iova: UInt64) -> Mapping? {
        backed.isEmpty && container.vaddrInvalid == 0 ? index.remove(iova) : nil
    }
}
