// SPDX-License-Identifier: Apache-2.0
import Events

/// How maps and removals change mappings and peer mappings.
extension Graph {
    mutating func apply(_ map: MapRequest, _ event: Event) -> Applied {
        var applied = Applied()
        applied.targets = resolveTargets(map, thread: event.actor.tid)
        // A failed map was never in force. A vaddr update changes nothing in the IOMMU.
        guard map.result == 0, !map.vaddrOnly else {
            applied.container = containerID(for: map.iommu)
            applied.isUnusual = map.result != 0
            if map.result == 0 { giveBackVaddr(map, event, &applied) }
            return applied
        }
        applied.isUnusual = !map.readable && map.provenance == .observed
        if map.began != 0, !orphans.isEmpty, orphans.consume(iommu: map.iommu, iova: map.iova, began: map.began) {
            applied.container = containerID(for: map.iommu)
            applied.raced = true
            return applied
        }
        let slot = self.slot(for: map.iommu, event, &applied)
        if map.provenance == .snapshot {
            guard found(map, slot: slot, at: event.time, by: event.actor, &applied) else { return applied }
        } else if walk?.iommu == map.iommu {
            walk!.mapped.insert(map.iova)
        }
        if !applied.targets.isEmpty {
            applied.peer = addPeer(map, to: applied.targets, slot, event)
            applied.affects = .mapping
        }
        let owner = map.isMemoryGone ? formerIndex(of: event.actor) : owner(of: event)
        var mapping = Mapping(
            iova: map.iova, size: map.size, readable: map.readable, writable: map.writable, provenance: map.provenance,
            owner: owner, peer: applied.peer)
        mapping.isTargetUnknown = map.isTargetUnknown && applied.peer == nil
        if map.isTargetUnknown { unknownTargets += 1 }
        slots[slot].bytes &+= map.size
        // A mapping that a snapshot finds was made at another time.
        let seen: UInt64? = map.provenance == .observed ? event.time : nil
        if let old = slots[slot].index.insert(mapping) {
            slots[slot].bytes &-= old.size
            if actors.unpin(ramBytes(of: old), by: old.owner, at: seen) { applied.containerChange = .state }
            count(old.owner, -1, slot, &applied)
            forgetBacking(old, slot, &applied)
            if let peer = old.peer { removePeer(peer) }
            applied.removed = old
            // If a snapshot found the mapping while it was being made, its own event completes it.
            applied.replaced = map.provenance == .snapshot || old.provenance != .snapshot
            if map.provenance == .observed, !unexplained.isEmpty { explain(map) }
            applied.known = true
        }
        if let backing = map.backing, map.provenance == .observed { recordBacking(backing, mapping, slot, &applied) }
        if let seen, !applied.known { slots[slot].growth.add(1, at: seen) }
        if actors.pin(ramBytes(of: mapping), by: owner, slot: slot, at: seen), applied.containerChange == .nothing {
            applied.containerChange = .count
        }
        let count = slots[slot].index.count
        if count == 1 {
            applied.containerChange = .state
        } else if count == mappingMark, applied.containerChange == .nothing {
            applied.containerChange = .count
        }
        self.count(owner, 1, slot, &applied)
        return applied
    }

    mutating func apply(_ removal: MappingRemoved, _ event: Event) -> Applied {
        var applied = Applied()
        if removal.cause == .failedMap {
            applied.container = containerID(for: removal.iommu)
            // A snapshot may have found it while it was being made.
            guard let slot = byIOMMU[removal.iommu], slots[slot].index.find(removal.iova)?.provenance == .snapshot
            else { return applied }
        }
        if removal.cause == .request { requests.record(removal, thread: event.actor.tid) }
        recentRemovals.insert(iommu: removal.iommu, iova: removal.iova, time: event.time)
        if walk?.iommu == removal.iommu { walk!.removed.insert(removal.iova) }
        let slot = self.slot(for: removal.iommu, event, &applied)
        guard let old = slots[slot].index.remove(removal.iova) else {
            orphans.insert(iommu: removal.iommu, iova: removal.iova, time: event.time)
            return applied
        }
        forget(old, slot, at: event.time, &applied)
        if removal.cause == .teardown, !slots[slot].container.isTearingDown {
            slots[slot].container.isTearingDown = true
            applied.containerChange = .state
            applied.changesReach = true
        }
        applied.removed = old
        applied.known = true
        if let peer = old.peer {
            applied.peer = peer
            removePeer(peer)
        }
        return applied
    }

    /// Subtracts a mapping that has left the index from the counts of its container and its maker.
    /// `time` is nil if the time of its removal is unknown.
    mutating func forget(_ old: Mapping, _ slot: Int, at time: UInt64?, _ applied: inout Applied) {
        slots[slot].bytes &-= old.size
        if let time { slots[slot].growth.add(-1, at: time) }
        let isRelieved = actors.unpin(ramBytes(of: old), by: old.owner, at: time)
        defer { if isRelieved { applied.containerChange = .state } }
        let count = slots[slot].index.count
        if count == 0 {
            applied.containerChange = .state
        } else if count == mappingRelief - 1 {
            applied.containerChange = .count
        }
        self.count(old.owner, -1, slot, &applied)
        forgetBacking(old, slot, &applied)
        if slots[slot].container.vaddrInvalid > slots[slot].bytes { setVaddrInvalid(slots[slot].bytes, slot, &applied) }
    }

    /// Counts one mapping more or less of a maker that may be gone. Rules are asked when the first
    /// appears and when none is left.
    private mutating func count(_ owner: UInt32, _ change: Int, _ slot: Int, _ applied: inout Applied) {
        switch actors.state(owner) {
        case .alive: return
        case .exited:
            slots[slot].container.abandoned += change
            if change > 0 || slots[slot].container.abandoned == 0 { applied.containerChange = .state }
        case .memoryGone:
            slots[slot].container.withoutMemory += change
            if change > 0 || slots[slot].container.withoutMemory == 0 { applied.containerChange = .state }
        }
    }

    /// The index of an address space that is gone. Its process may have been seen to exit.
    mutating func formerIndex(of actor: Actor) -> UInt32 {
        let index = actors.formerIndex(of: actor)
        if exited.contains(actor.process) { _ = actors.exit(actor.process) }
        return index
    }

    /// Changes the maker of a mapping, as the kernel does.
    mutating func give(_ mapping: Mapping, to owner: UInt32, _ slot: Int, _ applied: inout Applied) {
        guard owner != mapping.owner else { return }
        var given = mapping
        given.owner = owner
        slots[slot].index.insert(given)
        // From now on the pages are charged to the new maker's mm. Neither maker's growth rate
        // changes.
        let ram = ramBytes(of: mapping)
        if actors.unpin(ram, by: mapping.owner, at: nil) { applied.containerChange = .state }
        if actors.pin(ram, by: owner, slot: slot, at: nil), applied.containerChange == .nothing {
            applied.containerChange = .count
        }
        count(mapping.owner, -1, slot, &applied)
        count(owner, 1, slot, &applied)
    }

    /// The container of an IOMMU side, inferred if no other event has named it. O(1), without a
    /// hash for the same one as in the previous call.
    private mutating func slot(for iommu: IOMMUKey, _ event: Event, _ applied: inout Applied) -> Int {
        if cachedSlot >= 0, cachedIOMMU == iommu {
            applied.container = ContainerID(UInt32(cachedSlot + 1))
            return cachedSlot
        }
        if let slot = byIOMMU[iommu] {
            cachedSlot = slot
            cachedIOMMU = iommu
            applied.container = ContainerID(UInt32(slot + 1))
            return slot
        }
        let slot = makeContainer(key: nil, iommu: iommu, provenance: .inferred, opener: nil, time: event.time)
        applied.container = slots[slot].container.id
        applied.newContainer = true
        applied.linked = true
        return slot
    }

    /// The targets of a map. Device bytes that no extent reports become a target without a device,
    /// after the last extent.
    private mutating func resolveTargets(_ map: MapRequest, thread: UInt32) -> Few<Target> {
        let pending = extents.consume(map.extentCount, thread: thread)
        guard map.deviceBytes > 0 || !pending.isEmpty else { return [] }
        rebuildBarTable()
        var targets = Few<Target>()
        var known: UInt64 = 0
        for extent in pending where extent.iova >= map.iova && extent.iova &- map.iova < map.size {
            barTable.resolve(address: extent.address, size: extent.size, iova: extent.iova, into: &targets)
            known &+= extent.size
        }
        if map.deviceBytes > known {
            let after = targets.last.map { $0.iova &+ $0.size } ?? map.iova
            targets.append(Target(device: nil, bar: 0, barOffset: 0, iova: after, size: map.deviceBytes - known))
        }
        return targets
    }

    // MARK: Peer mappings

    private mutating func addPeer(_ map: MapRequest, to targets: Few<Target>, _ slot: Int, _ event: Event) -> UInt32 {
        let id = nextPeer
        nextPeer += 1
        let container = slots[slot].container.id
        peers[id] = PeerMapping(
            id: id, container: container, iova: map.iova, size: map.size, targets: targets,
            creator: event.actor, since: event.time,
            provenance: map.provenance,
            openGenerations: Few(targets) { target in
                guard let address = target.device, let device = devices[address], device.isOpen else { return 0 }
                return device.openGeneration
            },
            wereInSameContainer: Few(targets) { $0.device.flatMap { containerID(of: $0) } == container },
            wereKnownClosed: Few(targets) { wasKnownClosed($0.device, during: map, event) },
            bars: Few(targets) { target in
                target.device.flatMap { devices[$0]?.info.bars[Int(target.bar)] } ?? Bar()
            })
        for target in targets {
            guard let device = target.device, peersByDevice[device]?.last != id else { continue }
            peersByDevice[device, default: []].append(id)
        }
        return id
    }

    /// A VMA of VFIO keeps its device open. That the device was not open must be certain: it was
    /// seen, or a snapshot showed it, and nothing was lost since.
    private func wasKnownClosed(_ address: PCIAddress?, during map: MapRequest, _ event: Event) -> Bool {
        guard map.provenance == .observed, !needsSnapshot, let address, let device = devices[address], !device.isOpen
        else { return false }
        guard device.provenance != .inferred || knownSince != nil else { return false }
        return device.lastClosed.map { $0 < (map.began == 0 ? event.time : map.began) } ?? true
    }

    mutating func removePeer(_ id: UInt32) {
        guard let peer = peers.removeValue(forKey: id) else { return }
        for target in peer.targets {
            // An empty entry stays: a device that was a target once is likely to become one again.
            if let device = target.device { peersByDevice[device, default: []].removeAscending(id) }
        }
    }
}

extension [UInt32] {
    /// Removes a value from an ascending array, if it is there.
    fileprivate mutating func removeAscending(_ value: UInt32) {
        if let position = position(of: value) { remove(at: position) }
    }

    /// Binary search in an ascending array.
    func position(of value: UInt32) -> Int? {
        var low = 0, high = count
        while low < high {
            let middle = (low + high) >> 1
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low] == value ? low : nil
    }
}
