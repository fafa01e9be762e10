// SPDX-License-Identifier: Apache-2.0
import Events

/// A walk in progress: the mappings of one IOMMU arrive in ascending order, with events in between.
struct WalkProgress: Sendable {
    var iommu: IOMMUKey
    var began: UInt64
    /// The IOVAs of the graph's mappings at the beginning of the walk, ascending.
    var expected: [UInt64]
    var position = 0
    /// The mappings of `expected` that the walk has passed without finding them.
    var missing: [UInt64] = []
    /// Mappings made and removed since the walk began, by their own events.
    var mapped: Set<UInt64> = []
    var removed: Set<UInt64> = []
}

struct FoundMapping: Hashable, Sendable {
    var iommu: IOMMUKey
    var iova: UInt64
}

extension Graph {
    mutating func beginWalk(_ iommu: IOMMUKey, _ event: Event) -> Applied {
        var applied = Applied()
        applied.container = containerID(for: iommu)
        let expected = byIOMMU[iommu].map { slots[$0].index.map(\.iova) } ?? []
        snapshot?.walked = 0
        walk = WalkProgress(iommu: iommu, began: event.time, expected: expected)
        return applied
    }

    /// Ends the walk, and drops the mappings that it did not find: always after a loss, otherwise
    /// only if nothing changed meanwhile. A tree that is rebalanced while it is walked can hide a
    /// node. So a walk whose number of mappings differs from the kernel's count proves nothing.
    mutating func endWalk(_ iommu: IOMMUKey, consistent: Bool) -> Applied {
        var applied = Applied()
        applied.container = containerID(for: iommu)
        recordMissing(upTo: nil)
        defer { walk = nil }
        guard consistent else {
            snapshot?.unsettled.insert(iommu)
            return applied
        }
        snapshot?.unsettled.remove(iommu)
        let walked = snapshot?.walked ?? 0
        snapshot?.result.mappings += walked
        snapshot?.walked = 0
        guard let walk else { return applied }
        guard snapshot?.isResync == true || (walk.mapped.isEmpty && walk.removed.isEmpty) else { return applied }
        for iova in walk.missing where !walk.mapped.contains(iova) { dropMissing(iova, &applied) }
        return applied
    }

    /// Applies a mapping that the walk found. The event of its creation may have preceded tracing,
    /// may be lost, or may follow.
    mutating func found(_ map: MapRequest, slot: Int, at time: UInt64, by actor: Actor, _ applied: inout Applied)
        -> Bool
    {
        snapshot?.walked += 1
        if walk?.iommu == map.iommu { recordMissing(upTo: map.iova) }
        if let old = slots[slot].index.find(map.iova) {
            applied.known = true
            if map.isMemoryGone, actors.state(old.owner) == .alive {
                give(old, to: formerIndex(of: actor), slot, &applied)
            }
            // A mapping that is still being made is found with its present size. Its event follows
            // with the final size.
            if old.size == map.size, old.readable == map.readable, old.writable == map.writable {
                if old.isTargetUnknown { return !map.isTargetUnknown }
                guard isMissingTargets(old), !applied.targets.isEmpty else { return false }
                return applied.targets.allSatisfy { $0.device != nil }
            }
            if walk?.mapped.contains(map.iova) == true { return false }
            // If it was found before while it was being made, it has only grown.
            if unexplained[FoundMapping(iommu: map.iommu, iova: map.iova)] == nil { snapshot?.result.changed += 1 }
            return true
        }
        // Its removal was reported at the beginning of vfio_remove_dma; the walk found it before it
        // was out of the tree.
        let since = (walk?.began ?? 0) &- Self.removalTakes
        if walk?.removed.contains(map.iova) == true
            || recentRemovals.contains(iommu: map.iommu, iova: map.iova, since: since)
        {
            applied.raced = true
            return false
        }
        snapshot?.result.added += 1
        if snapshot?.result.isFirst == false { unexplained[FoundMapping(iommu: map.iommu, iova: map.iova)] = time }
        return true
    }

    /// Whether it is unknown where a mapping of device memory leads, because an extent was lost.
    private func isMissingTargets(_ mapping: Mapping) -> Bool {
        guard let peer = mapping.peer.flatMap({ peers[$0] }) else { return false }
        return peer.targets.contains { $0.device == nil }
    }

    /// Records that the event of a mapping has arrived. If a snapshot had found the mapping while
    /// it was being made, no event was missed.
    mutating func explain(_ map: MapRequest) {
        guard let foundAt = unexplained.removeValue(forKey: FoundMapping(iommu: map.iommu, iova: map.iova)),
            map.began != 0, map.began <= foundAt
        else { return }
        if snapshot != nil {
            snapshot!.result.added -= 1
        } else if let last = contradictions.indices.last, contradictions[last].ended == lastSnapshot?.ended {
            contradictions[last].added -= 1
            if contradictions[last].differences == 0 { contradictions.removeLast() }
        }
    }

    /// A walk can still find a mapping whose removal began at most this long before the walk,
    /// nanoseconds.
    private static let removalTakes: UInt64 = 100_000_000

    /// Records the expected mappings that the walk has passed without finding them.
    private mutating func recordMissing(upTo limit: UInt64?) {
        guard walk != nil, walk!.position < walk!.expected.count else { return }
        while walk!.position < walk!.expected.count {
            let iova = walk!.expected[walk!.position]
            if let limit, iova >= limit {
                if iova == limit { walk!.position += 1 }
                break
            }
            walk!.position += 1
            walk!.missing.append(iova)
        }
    }

    private mutating func dropMissing(_ iova: UInt64, _ applied: inout Applied) {
        guard let iommu = walk?.iommu, let slot = byIOMMU[iommu], let old = slots[slot].index.remove(iova) else {
            return
        }
        forget(old, slot, at: nil, &applied)
        if let peer = old.peer {
            removePeer(peer)
            applied.cleared = true
        }
        applied.missing.append(old)
        snapshot?.result.removed += 1
    }
}

/// The latest removals, for a snapshot that still finds a mapping while it is being removed. Fixed
/// size: a thread removes one mapping at a time.
struct RecentRemovals: Sendable {
    private var entries: InlineArray<16, (iommu: UInt64, iova: UInt64, time: UInt64)> = InlineArray(
        repeating: (0, 0, 0))
    private var next = 0

    mutating func insert(iommu: IOMMUKey, iova: UInt64, time: UInt64) {
        entries[next] = (iommu.raw, iova, time)
        next = (next + 1) & 15
    }

    /// Forgets an IOMMU side, because the kernel can reuse its pointer.
    mutating func forget(_ iommu: IOMMUKey) {
        for index in 0..<16 where entries[index].iommu == iommu.raw { entries[index].iommu = 0 }
    }

    func contains(iommu: IOMMUKey, iova: UInt64, since: UInt64) -> Bool {
        for index in 0..<16
        where entries[index].iova == iova && entries[index].iommu == iommu.raw && entries[index].time >= since
            && entries[index].iommu != 0
        {
            return true
        }
        return false
    }
}
