// SPDX-License-Identifier: Apache-2.0
import Events

/// How events change containers, groups and IOMMU sides.
extension Graph {
    /// Adds a new generation of a container: the kernel's pointer may have belonged to another one
    /// before.
    mutating func makeContainer(
        key: ContainerKey?, iommu: IOMMUKey?, provenance: Provenance, opener: Actor?, time: UInt64
    ) -> Int {
        let slot = slots.count
        slots.append(
            Slot(
                container: Container(
                    id: ContainerID(UInt32(slot + 1)), key: key, iommu: nil, iommuType: nil, opener: opener,
                    opened: time, closed: nil, released: nil,
                    groups: [], provenance: provenance)))
        if let key { byKey[key] = slot }
        if let iommu { link(iommu, slot, time: time) }
        return slot
    }

    mutating func openContainer(_ key: ContainerKey, _ event: Event) -> Applied {
        var applied = Applied()
        if let old = byKey.removeValue(forKey: key) {
            // The kernel has reused its pointer, so it was freed: its groups and mappings went
            // before that, unseen.
            if slots[old].container.closed == nil { slots[old].container.closed = event.time }
            for number in slots[old].container.groups { groups[number]?.container = nil }
            slots[old].container.groups = []
            if let iommu = slots[old].container.iommu {
                applied.cleared = unlink(iommu, old, time: event.time)
            }
        }
        let slot = makeContainer(key: key, iommu: nil, provenance: .observed, opener: event.actor, time: event.time)
        applied.container = slots[slot].container.id
        applied.newContainer = true
        return applied
    }

    /// `vfio_fops_release`: the last descriptor is closed. The mappings stay while a group is
    /// attached.
    mutating func closeContainer(_ key: ContainerKey, _ event: Event) -> Applied {
        var applied = Applied()
        guard let slot = byKey[key] else { return applied }
        applied.container = slots[slot].container.id
        slots[slot].container.closed = event.time
        retireIfDead(slot)
        return applied
    }

    mutating func openIOMMU(_ iommu: IOMMUKey, type: UInt32, key: ContainerKey?, _ event: Event) -> Applied {
        var applied = Applied()
        if let key {
            let slot = self.slot(for: key, event, &applied)
            if type != 0 { slots[slot].container.iommuType = type }
            bind(iommu, slot, event, &applied)
            return applied
        }
        // The pointer is still known: its release was not seen.
        if let old = byIOMMU[iommu] { applied.cleared = unlink(iommu, old, time: event.time) }
        unlinkedTypes[iommu] = type
        return applied
    }

    /// The end of `vfio_iommu_type1_release`: every remaining mapping goes with it.
    mutating func releaseIOMMU(_ iommu: IOMMUKey, _ event: Event) -> Applied {
        var applied = Applied()
        unlinkedTypes[iommu] = nil
        if !unlinkedGroups.isEmpty { unlinkedGroups = unlinkedGroups.filter { $0.value != iommu } }
        guard let slot = byIOMMU[iommu] else { return applied }
        applied.container = slots[slot].container.id
        applied.cleared = unlink(iommu, slot, time: event.time)
        retireIfDead(slot)
        return applied
    }

    /// `vfio_iommu_type1_attach_group`: called inside SET_IOMMU for a group that is already in its
    /// container, or, for a later group, before the group's own attach.
    mutating func attach(_ iommu: IOMMUKey, group number: UInt32, result: Int32, _ event: Event) -> Applied {
        var applied = Applied()
        guard result == 0 else {
            applied.container = containerID(for: iommu)
            return applied
        }
        if let id = groups[number]?.container {
            bind(iommu, Int(id.number) - 1, event, &applied)
        } else {
            unlinkedGroups[number] = iommu
            applied.container = containerID(for: iommu)
        }
        return applied
    }

    mutating func openGroup(_ number: UInt32, _ event: Event) -> Applied {
        groups[number, default: Group(number)].openDescriptors += 1
        groups[number]?.opener = event.actor
        return Applied()
    }

    mutating func closeGroup(_ number: UInt32) -> Applied {
        if let open = groups[number]?.openDescriptors, open > 0 { groups[number]?.openDescriptors = open - 1 }
        return Applied()
    }

    mutating func attachGroup(_ number: UInt32, to key: ContainerKey, _ event: Event) -> Applied {
        var applied = Applied()
        var slot = self.slot(for: key, event, &applied)
        if let old = groups[number]?.container, old != slots[slot].container.id {
            slots[Int(old.number) - 1].container.groups.remove(number)
            retireIfDead(Int(old.number) - 1)
        }
        groups[number, default: Group(number)].container = slots[slot].container.id
        groups[number]!.provenance = .observed
        groups[number]!.detachedFrom = nil
        slots[slot].container.groups.insert(number)
        snapshot?.groups.insert(number)
        if let iommu = unlinkedGroups.removeValue(forKey: number), slots[slot].container.iommu != iommu {
            bind(iommu, slot, event, &applied)
            slot = Int(applied.container!.number) - 1
        }
        applied.container = slots[slot].container.id
        applied.affects = .group(number)
        applied.changesReach = true
        return applied
    }

    mutating func detachGroup(_ number: UInt32, from key: ContainerKey) -> Applied {
        var applied = Applied()
        applied.affects = .group(number)
        applied.changesReach = true
        unlinkedGroups[number] = nil
        guard let slot = groups[number]?.container.map({ Int($0.number) - 1 }) ?? byKey[key] else { return applied }
        applied.container = slots[slot].container.id
        slots[slot].container.groups.remove(number)
        groups[number, default: Group(number)].detachedFrom = applied.container
        groups[number]?.container = nil
        groups[number]?.provenance = .observed
        retireIfDead(slot)
        return applied
    }

    // MARK: Linking

    private mutating func slot(for key: ContainerKey, _ event: Event, _ applied: inout Applied) -> Int {
        if let slot = byKey[key] { return slot }
        applied.newContainer = true
        return makeContainer(key: key, iommu: nil, provenance: .inferred, opener: nil, time: event.time)
    }

    /// Binds a container to its IOMMU side. If mappings had already led to an inferred container,
    /// the two become one.
    private mutating func bind(_ iommu: IOMMUKey, _ slot: Int, _ event: Event, _ applied: inout Applied) {
        applied.container = slots[slot].container.id
        if let other = byIOMMU[iommu] {
            if other == slot { return }
            if slots[other].container.key == nil, slots[slot].container.iommu == nil, slots[slot].index.isEmpty {
                absorb(slot, into: other, time: event.time)
                applied.container = slots[other].container.id
                applied.newContainer = false
                applied.linked = true
                return
            }
            applied.cleared = unlink(iommu, other, time: event.time)
        }
        if let old = slots[slot].container.iommu {
            applied.cleared = unlink(old, slot, time: event.time) || applied.cleared
        }
        link(iommu, slot, time: event.time)
        applied.linked = true
    }

    mutating func link(_ iommu: IOMMUKey, _ slot: Int, time: UInt64) {
        snapshot?.withoutIOMMU.remove(slot)
        slots[slot].container.iommu = iommu
        slots[slot].container.released = nil
        slots[slot].container.linked = time
        if let type = unlinkedTypes.removeValue(forKey: iommu) { slots[slot].container.iommuType = type }
        byIOMMU[iommu] = slot
        cachedSlot = slot
        cachedIOMMU = iommu
    }

    /// Separates a container from its IOMMU side and drops the remaining mappings. Returns whether
    /// any of them was of device memory.
    mutating func unlink(_ iommu: IOMMUKey, _ slot: Int, time: UInt64) -> Bool {
        byIOMMU[iommu] = nil
        if walk?.iommu == iommu { walk = nil }
        recentRemovals.forget(iommu)
        requests.forget(iommu)
        if cachedIOMMU == iommu { cachedSlot = -1 }
        slots[slot].container.iommu = nil
        slots[slot].container.released = time
        slots[slot].container.linked = nil
        slots[slot].container.isTearingDown = false
        slots[slot].container.abandoned = 0
        slots[slot].container.withoutMemory = 0
        sharedMemory.forget(slot, &slots[slot].backed)
        slots[slot].container.vaddrInvalid = 0
        slots[slot].container.vaddrInvalidBy = nil
        // The remaining mappings. A normal release has already removed all mappings one by one.
        for mapping in slots[slot].index { _ = actors.unpin(ramBytes(of: mapping), by: mapping.owner, at: nil) }
        actors.leave(slot: slot)
        slots[slot].growth = Growth()
        let lost = peers.isEmpty ? [] : slots[slot].index.compactMap(\.peer)
        for id in lost { removePeer(id) }
        slots[slot].index.removeAll()
        slots[slot].bytes = 0
        return !lost.isEmpty
    }

    /// Moves the identity of a container that has no mappings to the inferred one that holds them.
    private mutating func absorb(_ slot: Int, into other: Int, time: UInt64) {
        let old = slots[slot].container
        slots[other].container.key = old.key
        slots[other].container.iommuType = old.iommuType ?? slots[other].container.iommuType
        slots[other].container.opener = old.opener
        slots[other].container.closed = old.closed
        slots[other].container.groups.formUnion(old.groups)
        for number in old.groups { groups[number]?.container = slots[other].container.id }
        if let key = old.key { byKey[key] = other }
        slots[slot].container.key = nil
        slots[slot].container.groups = []
        slots[slot].container.closed = time
    }

    /// A container is dead when nobody can reach it: no descriptor, no group, no IOMMU side.
    private mutating func retireIfDead(_ slot: Int) {
        let container = slots[slot].container
        guard !container.isAlive, let key = container.key, byKey[key] == slot else { return }
        byKey[key] = nil
    }
}

extension Group {
    init(_ number: UInt32) {
        self.init(number: number, container: nil, openDescriptors: 0, opener: nil, provenance: .inferred)
    }
}

extension Container {
    /// Whether the container has a descriptor, a group or an IOMMU side left. A container that was
    /// inferred from its IOMMU side ends with it.
    public var isAlive: Bool { iommu != nil || !groups.isEmpty || (key != nil && closed == nil) }
}
