// SPDX-License-Identifier: Apache-2.0
import Events

/// The objects that a snapshot has found so far.
struct SnapshotProgress: Sendable {
    var containers: Set<Int> = []
    var groups: Set<UInt32> = []
    var devices: Set<PCIAddress> = []
    /// The number of mappings that the walk in progress has found.
    var walked = 0
    /// IOMMU sides for which no walk has found as many mappings as the kernel counts.
    var unsettled: Set<IOMMUKey> = []
    /// Containers that the snapshot shows without an IOMMU side, although the graph has one.
    var withoutIOMMU: Set<Int> = []
    var result: SnapshotResult

    var began: UInt64 { result.began }
    /// Whether records were lost since the last snapshot. Then objects that this one does not show
    /// are gone. Without a loss the events are more reliable.
    var isResync: Bool { result.isAfterLoss }
}

/// The result of comparing a snapshot of the kernel's own state with the graph built from events.
public struct SnapshotResult: Sendable, Equatable {
    /// Nanoseconds since boot, both ends.
    public var began: UInt64
    public var ended: UInt64 = 0
    /// Whether this is the first snapshot. It shows the state before tracing, so nothing that it
    /// finds is a difference.
    public var isFirst: Bool
    /// Whether records had been lost. Then the differences result from the loss.
    public var isAfterLoss: Bool
    public var containers = 0
    public var mappings = 0
    /// The number of mappings that only the kernel had, and that only the graph had. The graph now
    /// agrees with the kernel.
    public var added = 0
    public var removed = 0
    /// The number of mappings whose size or access differed from the graph's, plus containers,
    /// groups and devices whose state differed.
    public var changed = 0
    /// The number of containers whose mappings changed during each attempt to read them all.
    public var unsettled = 0

    public var differences: Int { isFirst ? 0 : added + removed + changed }
}

extension Graph {
    mutating func beginSnapshot(_ event: Event) -> Applied {
        snapshot = SnapshotProgress(
            result: SnapshotResult(began: event.time, isFirst: knownSince == nil, isAfterLoss: needsSnapshot))
        needsSnapshot = false
        unexplained.removeAll(keepingCapacity: true)
        return Applied()
    }

    /// Ends the snapshot. After a loss, objects that it did not show are dropped.
    mutating func endSnapshot(_ event: Event) -> Applied {
        var applied = Applied()
        defer { snapshot = nil }
        // Records of the snapshot itself may have been lost. Then its gaps prove nothing, and
        // another snapshot follows.
        guard snapshot != nil, !needsSnapshot else { return applied }
        if snapshot!.isResync { dropUnseen(event, &applied) }
        var result = snapshot!.result
        result.ended = event.time
        result.containers = snapshot!.containers.count
        result.unsettled = snapshot!.unsettled.count
        lastSnapshot = result
        if !result.isAfterLoss, result.differences > 0, contradictions.count < 16 { contradictions.append(result) }
        knownSince = knownSince ?? event.time
        if let since = holdersUnknownSince, since < result.began { holdersUnknownSince = nil }
        if snapshot!.isResync, result.unsettled > 0 {
            // The mappings of a container may still be wrong.
            needsSnapshot = true
        } else if let last = gaps.indices.last, gaps[last].recovered == nil {
            gaps[last].recovered = event.time
            // What counted as possible because of the loss is known now.
            applied.changesReach = true
        }
        return applied
    }

    private mutating func dropUnseen(_ event: Event, _ applied: inout Applied) {
        let seen = snapshot!
        for number in groups.keys where !seen.groups.contains(number) && groups[number]!.container != nil {
            leave(number)
            snapshot!.result.changed += 1
            applied.affects = .everything
        }
        for address in devices.keys
        where !seen.devices.contains(address) && devices[address]!.isOpen && devices[address]!.opened < seen.began {
            close(address, at: event.time)
            snapshot!.result.changed += 1
            applied.affects = .everything
        }
        for slot in seen.withoutIOMMU.sorted() {
            guard let iommu = slots[slot].container.iommu else { continue }
            snapshot!.result.removed += slots[slot].index.count
            applied.cleared = unlink(iommu, slot, time: event.time) || applied.cleared
        }
        for slot in slots.indices
        where slots[slot].container.isAlive && !seen.containers.contains(slot)
            && slots[slot].container.opened < seen.began
        {
            snapshot!.result.changed += 1
            snapshot!.result.removed += slots[slot].index.count
            slots[slot].container.closed = slots[slot].container.closed ?? event.time
            for number in slots[slot].container.groups { groups[number]?.container = nil }
            slots[slot].container.groups = []
            if let iommu = slots[slot].container.iommu {
                applied.cleared = unlink(iommu, slot, time: event.time) || applied.cleared
            }
            if let key = slots[slot].container.key, byKey[key] == slot { byKey[key] = nil }
            applied.affects = .everything
        }
    }

    mutating func foundContainer(_ key: ContainerKey, iommu: IOMMUKey?, type: UInt32, _ event: Event) -> Applied {
        var applied = Applied()
        let slot: Int
        if let known = byKey[key] {
            slot = known
        } else if let iommu, let inferred = byIOMMU[iommu], slots[inferred].container.key == nil {
            slot = inferred
            slots[slot].container.key = key
            slots[slot].container.iommuType = type
            byKey[key] = slot
        } else {
            slot = makeContainer(key: key, iommu: nil, provenance: .snapshot, opener: nil, time: event.time)
            applied.newContainer = true
            snapshot?.result.changed += 1
        }
        applied.container = slots[slot].container.id
        snapshot?.containers.insert(slot)
        if iommu == nil, slots[slot].container.iommu != nil { snapshot?.withoutIOMMU.insert(slot) }
        if let iommu, slots[slot].container.iommu != iommu {
            if let old = slots[slot].container.iommu { applied.cleared = unlink(old, slot, time: event.time) }
            if let other = byIOMMU[iommu] {
                applied.cleared = unlink(iommu, other, time: event.time) || applied.cleared
            }
            if !applied.newContainer { snapshot?.result.changed += 1 }
            link(iommu, slot, time: event.time)
            slots[slot].container.iommuType = type
        }
        return applied
    }

    mutating func foundGroup(_ number: UInt32, _ key: ContainerKey?, _ event: Event) -> Applied {
        var applied = Applied()
        snapshot?.groups.insert(number)
        // The snapshot is more reliable about the container's IOMMU side.
        unlinkedGroups[number] = nil
        guard let key else {
            if snapshot?.isResync == true, groups[number]?.container != nil {
                leave(number)
                snapshot!.result.changed += 1
                applied.affects = .group(number)
                applied.changesReach = true
            }
            return applied
        }
        // vfio_group_detach_container clears the pointer last (5.10: __vfio_group_unset_container).
        if let from = groups[number]?.detachedFrom, snapshot?.isResync != true,
            byKey[key].map({ slots[$0].container.id }) == from
        {
            applied.container = from
            return applied
        }
        let slot: Int
        if let known = byKey[key] {
            slot = known
        } else {
            slot = makeContainer(key: key, iommu: nil, provenance: .snapshot, opener: nil, time: event.time)
            applied.newContainer = true
        }
        applied.container = slots[slot].container.id
        guard groups[number]?.container != applied.container else { return applied }
        if groups[number]?.container != nil { leave(number) }
        snapshot?.result.changed += 1
        groups[number, default: Group(number)].container = applied.container
        groups[number]!.provenance = .snapshot
        slots[slot].container.groups.insert(number)
        applied.affects = .group(number)
        applied.changesReach = true
        return applied
    }

    mutating func foundDevice(_ found: SnapshotDevice, _ event: Event) -> Applied {
        guard let address = found.device else { return Applied() }
        snapshot?.devices.insert(address)
        let isOpen = devices[address]?.isOpen ?? false
        // The end of a reset may have been lost. If the reset is really in progress, it ends very
        // soon.
        let isResync = snapshot?.isResync == true
        if found.openCount == 0 {
            if isOpen {
                guard isResync else { return Applied() }
                close(address, at: event.time)
                snapshot!.result.changed += 1
            }
            guard let known = devices[address],
                isOpen || isResync && known.resetDepth > 0 || found.power != .unknown && found.power != known.power
            else { return Applied() }
            return change(address) { device in
                if isResync { device.resetDepth = 0 }
                if found.power != .unknown { device.power = found.power }
            }
        }
        if !isOpen { snapshot?.result.changed += 1 }
        defer { if found.usesIOMMUFD { recordIOMMUFD(address) } }
        return change(address) { device in
            device.group = found.group ?? device.group
            device.isRemoved = false
            // The record of its holder shows who opened it.
            if !isOpen { device.open(by: Actor(), at: event.time, .snapshot) }
            device.openDescriptors = found.openCount
            if isResync { device.resetDepth = 0 }
            if let memory = found.memoryEnabled { device.memoryEnabled = memory }
            if found.power != .unknown { device.power = found.power }
        }
    }

    /// If the open was not seen, the first holder that is found counts as the opener.
    mutating func foundHolder(_ held: Held, _ event: Event) -> Applied {
        var applied = Applied()
        switch held {
        case .container(let key):
            guard let slot = byKey[key] else { break }
            applied.container = slots[slot].container.id
            // A process that has exited had passed its descriptor on.
            if slots[slot].container.opener.map({ exited.contains($0.process) }) ?? true {
                slots[slot].container.opener = event.actor
                applied.changesReach = true
            }
        case .group(let number):
            applied.container = groups[number]?.container
            if groups[number]?.opener.map({ exited.contains($0.process) }) ?? true {
                groups[number, default: Group(number)].opener = event.actor
                applied.changesReach = true
            }
        case .device(let address):
            applied.container = containerID(of: address)
            guard let device = devices[address], device.isOpen,
                device.opener == Actor() || (device.opener.map { exited.contains($0.process) } ?? true)
            else { break }
            devices[address]!.opener = event.actor
            applied.changesReach = true
            for index in iommufdUses.indices
            where iommufdUses[index] == IOMMUFDUse(device: address, opener: Actor()) {
                iommufdUses[index].opener = event.actor
            }
            applied.affects = .device(address)
        }
        return applied
    }

    // MARK: What is gone

    private mutating func leave(_ number: UInt32) {
        guard let id = groups[number]?.container else { return }
        slots[Int(id.number) - 1].container.groups.remove(number)
        groups[number]?.container = nil
        groups[number]?.provenance = .snapshot
    }

    private mutating func close(_ address: PCIAddress, at time: UInt64) {
        forgetKept { $0.device == address }
        devices[address]!.isOpen = false
        devices[address]!.usesIOMMUFD = false
        devices[address]!.provenance = .snapshot
        devices[address]!.openDescriptors = 0
        devices[address]!.lastClosed = time
        devices[address]!.memoryEnabled = true
        devices[address]!.resetDepth = 0
    }
}
