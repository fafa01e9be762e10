// SPDX-License-Identifier: Apache-2.0
import Events

/// The short way for ordinary records: private RAM is mapped or unmapped, in a container and by a
/// process that the graph already knows.
extension Graph {
    /// Updates the graph, and stores in `applied` what the record changed. The result is the same
    /// as for the record's event. O(log *n*) in the mappings of the container.
    ///
    /// - Parameter event: returns the record's event; called only if the graph's state is unusual.
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

    /// Does what `apply` does for the record's event, and returns what may have changed in its
    /// container. If the graph's state is unusual for the record, does nothing and returns nil.
    @inline(__always)
    private mutating func applyOrdinary(_ record: OrdinaryRecord) -> Applied.ContainerChange? {
        guard walk == nil, select(record.iommu) else { return nil }
        switch record.kind {
        case .map: return map(record)
        case .removal: return remove(record)
        case .unmapRequest:
            _ = requests.consume(record.iommu, thread: record.tid)
            return .nothing
        }
    }

    /// Sets `cachedSlot` to the container's slot, if the container is known. O(1), without a hash
    /// for the same container as in the previous call.
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
        // A removal that precedes its map concerns a mapping that had begun by then.
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
        guard let old = slots[cachedSlot].removeOrdinary(record.iova) else { return nil }
        guard old.peer == nil, actors.state(old.owner) == .alive else {
            slots[cachedSlot].index.insert(old)
            return nil
        }
        slots[cachedSlot].bytes &-= old.size
        slots[cachedSlot].growth.add(-1, at: record.time)
        requests.record(
            MappingRemoved(iommu: record.iommu, iova: record.iova, size: record.size, cause: .request),
            thread: record.tid)
        recentRemovals.insert(iommu: record.iommu, iova: record.iova, time: record.time)
        let count = slots[cachedSlot].index.count
        let isRelieved = actors.unpin(old.size, by: old.owner, at: record.time)
        return isRelieved || count == 0 ? .state : count == mappingRelief - 1 ? .count : .nothing
    }
}

extension Graph.Slot {
    /// Inserts the mapping and returns the new number of mappings. If one already begins at this
    /// IOVA, changes nothing and returns 0.
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

    /// Removes and returns the mapping that begins at `iova`. If there is none, or it may have a
    /// file, changes nothing and returns nil.
    @inline(__always)
    fileprivate mutating func removeOrdinary(_ iova: UInt64) -> Mapping? {
        backed.isEmpty && container.vaddrInvalid == 0 ? index.remove(iova) : nil
    }
}
