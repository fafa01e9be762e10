// SPDX-License-Identifier: Apache-2.0
import Events

/// The mappings that a thread removed during one unmap request.
public struct RemovedByRequest: Sendable, Equatable {
    public var mappings = 0
    /// The sum of their sizes.
    public var bytes: UInt64 = 0
}

extension Graph {
    /// Applies a `VFIO_IOMMU_UNMAP_DMA` that returned. Each removal preceded it as an event of its
    /// own.
    mutating func apply(_ request: UnmapRequest, _ event: Event) -> Applied {
        var applied = Applied()
        applied.container = containerID(for: request.iommu)
        applied.removedByRequest = requests.consume(request.iommu, thread: event.actor.tid)
        applied.isUnusual = request.result != 0 || request.size == 0 || request.differs
        guard request.result == 0, let id = applied.container else { return applied }
        let slot = Int(id.number) - 1
        if request.flags & UnmapRequest.vaddrFlag != 0 {
            let size = request.flags & UnmapRequest.allFlag != 0 ? slots[slot].bytes : request.size
            let (sum, overflow) = slots[slot].container.vaddrInvalid.addingReportingOverflow(size)
            setVaddrInvalid(overflow ? slots[slot].bytes : min(sum, slots[slot].bytes), slot, &applied)
            slots[slot].container.vaddrInvalidBy = event.actor
        } else if request.size == 0, request.flags & UnmapRequest.allFlag == 0 {
            emptyUnmaps.insert(id, request.iova, request.last, time: event.time)
        }
        return applied
    }

    /// Applies a VFIO_DMA_MAP_FLAG_VADDR call: the mapping has a user address again, and belongs to
    /// the caller (vfio_change_dma_owner).
    mutating func giveBackVaddr(_ map: MapRequest, _ event: Event, _ applied: inout Applied) {
        guard let id = applied.container else { return }
        let slot = Int(id.number) - 1
        if let mapping = slots[slot].index.find(map.iova) { give(mapping, to: owner(of: event), slot, &applied) }
        let invalid = slots[slot].container.vaddrInvalid
        if invalid > 0 { setVaddrInvalid(invalid - min(invalid, map.size), slot, &applied) }
    }

    mutating func setVaddrInvalid(_ bytes: UInt64, _ slot: Int, _ applied: inout Applied) {
        slots[slot].container.vaddrInvalid = bytes
        if bytes == 0 { slots[slot].container.vaddrInvalidBy = nil }
        applied.containerChange = .state
    }

    /// Applies the exit of a process that used VFIO: its last thread is gone. O(mappings) if it had
    /// made any.
    mutating func exit(_ event: Event) -> Applied {
        extents.drop(thread: event.actor.tid)
        let process = event.actor.process
        var applied = Applied()
        applied.affects = .process(process)
        forgetKept { $0.holder.process == process }
        if hasHoldings(process) { holdersUnknownSince = event.time }
        guard exited.insert(process).inserted, actors.exit(process) else { return applied }
        countMakersAnew()
        return applied
    }

    /// Whether a process is known to hold an open device, or a container. O(devices + containers).
    private func hasHoldings(_ process: ProcessKey) -> Bool {
        devices.values.contains { $0.isOpen && $0.opener?.process == process }
            || slots.contains { $0.container.closed == nil && $0.container.opener?.process == process }
    }

    /// Whether something is still held of what an exited process held: its teardown takes long, or
    /// another process has it. O(devices + containers).
    public var awaitsHolders: Bool {
        devices.values.contains { $0.isOpen && hasExited($0.opener) }
            || slots.contains {
                $0.container.isAlive && $0.container.closed == nil && !$0.index.isEmpty
                    && hasExited($0.container.opener)
            }
    }

    /// Applies the exec of a process that used VFIO. O(mappings) if it had made any.
    mutating func exec(_ event: Event) -> Applied {
        var applied = Applied()
        applied.affects = .process(event.actor.process)
        forgetKept { $0.holder.process == event.actor.process }
        if actors.exec(event.actor.process) { countMakersAnew() }
        return applied
    }

    private mutating func countMakersAnew() {
        for slot in slots.indices where !slots[slot].index.isEmpty {
            var exited = 0, withoutMemory = 0
            for mapping in slots[slot].index {
                switch actors.state(mapping.owner) {
                case .alive: break
                case .exited: exited += 1
                case .memoryGone: withoutMemory += 1
                }
            }
            slots[slot].container.abandoned = exited
            slots[slot].container.withoutMemory = withoutMemory
        }
    }

    // MARK: The budget of mappings

    /// The mark, in mappings: `mappingMarkPercent` of `mappingLimit`.
    public var mappingMark: Int { (mappingLimit * mappingMarkPercent + 99) / 100 }

    /// The relief, in mappings: 5 % of `mappingLimit` below the mark.
    public var mappingRelief: Int { (mappingLimit * (mappingMarkPercent - 5) + 99) / 100 }

    /// Whether, within the 10 s before `time`, an unmap request for `iova` … `last` of a container
    /// succeeded and removed nothing. O(1).
    public func hadEmptyUnmap(_ iova: UInt64, _ last: UInt64, in id: ContainerID, before time: UInt64) -> Bool {
        emptyUnmaps.contains(id, iova, last, since: time - min(time, 10_000_000_000))
    }
}

extension UnmapRequest {
    /// VFIO_DMA_UNMAP_FLAG_ALL and VFIO_DMA_UNMAP_FLAG_VADDR (include/uapi/linux/vfio.h).
    public static let allFlag: UInt32 = 1 << 1
    public static let vaddrFlag: UInt32 = 1 << 2

    /// Whether the number of bytes removed differs from the number requested, as far as both are
    /// known.
    public var differs: Bool { requested != nil && requested != size && flags & (Self.allFlag | Self.vaddrFlag) == 0 }

    /// The last byte requested, as far as it is known.
    public var last: UInt64 {
        let (sum, overflow) = iova.addingReportingOverflow(max(requested ?? size, 1) - 1)
        return overflow ? .max : sum
    }
}

/// Removals of threads whose unmap request has not yet returned. Fixed size, no hash: there are
/// seldom more than a few requests at a time.
struct RequestProgress: Sendable {
    private struct Entry {
        var thread: UInt32 = 0
        var iommu: UInt64 = 0
        var removed = RemovedByRequest()
    }

    private var entries: InlineArray<8, Entry> = InlineArray(repeating: Entry())
    private var last = 0
    private var next = 0

    mutating func record(_ removal: MappingRemoved, thread: UInt32) {
        if entries[last].thread != thread || entries[last].iommu != removal.iommu.raw {
            select(thread, removal.iommu.raw)
        }
        entries[last].removed.mappings += 1
        entries[last].removed.bytes &+= removal.size
    }

    /// Returns the mappings that the thread removed, and forgets them.
    mutating func consume(_ iommu: IOMMUKey, thread: UInt32) -> RemovedByRequest {
        for index in 0..<8 where entries[index].thread == thread && entries[index].iommu == iommu.raw {
            defer { entries[index] = Entry() }
            return entries[index].removed
        }
        return RemovedByRequest()
    }

    /// Forgets an IOMMU side, because the kernel can reuse its pointer.
    mutating func forget(_ iommu: IOMMUKey) {
        for index in 0..<8 where entries[index].iommu == iommu.raw { entries[index] = Entry() }
    }

    private mutating func select(_ thread: UInt32, _ iommu: UInt64) {
        for index in 0..<8 where entries[index].thread == thread && entries[index].iommu == iommu {
            last = index
            return
        }
        last = next
        next = (next + 1) & 7
        entries[last] = Entry(thread: thread, iommu: iommu)
    }
}

/// The latest unmap requests that succeeded and removed nothing.
struct EmptyUnmaps: Sendable {
    private var entries: InlineArray<16, (container: UInt32, iova: UInt64, last: UInt64, time: UInt64)> = InlineArray(
        repeating: (0, 0, 0, 0))
    private var next = 0

    mutating func insert(_ id: ContainerID, _ iova: UInt64, _ end: UInt64, time: UInt64) {
        entries[next] = (id.number, iova, end, time)
        next = (next + 1) & 15
    }

    func contains(_ id: ContainerID, _ first: UInt64, _ last: UInt64, since: UInt64) -> Bool {
        for index in 0..<16
        where entries[index].container == id.number && entries[index].last >= first && entries[index].iova <= last
            && entries[index].time >= since
        {
            return true
        }
        return false
    }
}
