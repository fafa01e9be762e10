// SPDX-License-Identifier: Apache-2.0
import Events

/// The graph of who can DMA where: the containers, groups, devices and mappings of one host,
/// rebuilt from events.
///
/// A value that is lent and never copied. It does no I/O and has no clock: the same events in the
/// same order yield the same graph, live or replayed. A RAM-only map or unmap allocates nothing,
/// except for a new leaf of the index. It hashes nothing while events stay with one container and
/// one process.
public struct Graph: ~Copyable, Sendable {
    /// A container with its mappings. Its index is always `ContainerID.number - 1`.
    struct Slot: Sendable {
        var container: Container
        var index = MappingIndex()
        /// The mappings of `index` whose memory has a file.
        var backed = BackedMappings()
        var bytes: UInt64 = 0
        /// The growth of the number of mappings.
        var growth = Growth()
    }

    var slots: [Slot] = []
    var byKey: [ContainerKey: Int] = [:]
    var byIOMMU: [IOMMUKey: Int] = [:]
    /// The last look-up in `byIOMMU`; -1 for none.
    var cachedSlot = -1
    var cachedIOMMU = IOMMUKey(0)
    /// Types of IOMMU sides whose container is not yet known.
    var unlinkedTypes: [IOMMUKey: UInt32] = [:]
    /// The IOMMU sides to which groups were attached before their container was known.
    var unlinkedGroups: [UInt32: IOMMUKey] = [:]

    /// By group number. Groups are never removed.
    public internal(set) var groups: [UInt32: Group] = [:]
    /// By PCI address. Devices are never removed; one that is gone has `isRemoved`.
    public internal(set) var devices: [PCIAddress: Device] = [:]
    var barTable = BarTable()
    var isBarTableStale = false

    var peers: [UInt32: PeerMapping] = [:]
    var peersByDevice: [PCIAddress: [UInt32]] = [:]
    var nextPeer: UInt32 = 0

    var actors = ActorTable()
    var processes: [ProcessKey: ProcessInfo] = [:]
    var extents = ExtentBuffer()
    var orphans = OrphanTable()
    var sharedMemory = SharedMemory()

    var snapshot: SnapshotProgress?
    var walk: WalkProgress?
    var recentRemovals = RecentRemovals()
    /// Whether records were lost, and no snapshot has followed yet.
    public internal(set) var needsSnapshot = false

    /// When a process exited that held an open device or a container, and no snapshot has shown
    /// since who holds it now; nil if there is none.
    public internal(set) var holdersUnknownSince: UInt64?
    /// Processes that used VFIO and have exited.
    var exited: Set<ProcessKey> = []
    var requests = RequestProgress()
    var emptyUnmaps = EmptyUnmaps()
    /// How many mappings a container may have, the kernel's `dma_entry_limit`: a parameter of
    /// vfio_iommu_type1.
    public var mappingLimit = 65_535
    /// Whether the host remaps interrupts; nil if unknown.
    public var remapsInterrupts: Bool?
    /// The mark at which rules are asked about a container's number of mappings, in percent of
    /// `mappingLimit`, 10…100.
    public var mappingMarkPercent = 95
    /// The mark at which rules are asked about a process's pinned memory, in percent of
    /// RLIMIT_MEMLOCK, 10…100. Set this before the first event.
    public var memlockMarkPercent = 95

    /// Losses of records, in order. The events within them are missing from the graph.
    public internal(set) var gaps: [Gap] = []
    /// The result of the last complete snapshot, with its differences from the graph.
    public internal(set) var lastSnapshot: SnapshotResult?
    /// The first 16 snapshots that found differences although nothing had been lost: an event was
    /// missed without notice.
    public internal(set) var contradictions: [SnapshotResult] = []
    /// How many mappings snapshots have found without being able to read where they lead.
    public internal(set) var unknownTargets: UInt64 = 0
    /// Every use of a device through iommufd, in order of appearance: the mappings of these are not
    /// in the graph.
    public internal(set) var iommufdUses: [IOMMUFDUse] = []
    /// Mappings that the last snapshot found and the graph did not have, with the time of the find.
    /// If one was being made at that time, its own event follows.
    var unexplained: [FoundMapping: UInt64] = [:]
    /// dma-bufs of open devices.
    var buffers: [UInt64: ExportedBuffer] = [:]
    /// Parts of BARs that processes keep after the kernel's zap, by `KeptArea.id`.
    var keptAreas: [UInt32: KeptArea] = [:]
    var nextKeptArea: UInt32 = 0
    /// When the first complete snapshot ended, nanoseconds since boot. From then on the graph
    /// includes the state before tracing.
    public internal(set) var knownSince: UInt64?

    /// Swift 6.3 lends a value of known layout by copying its bytes, here 1,800 for each call of a
    /// rule. A value that contains an existential is lent by address.
    private let lentByAddress: any Sendable = ()

    public init() {}

    /// Updates the graph, and stores in `applied` what the event changed. O(log *n*) in the
    /// mappings of the container for a map or unmap.
    public mutating func apply(_ event: Event, into applied: inout Applied) { applied = apply(event) }

    /// Updates the graph, and returns what the event changed.
    public mutating func apply(_ event: Event) -> Applied {
        switch event.kind {
        case .map(let map): return apply(map, event)
        case .mappingRemoved(let removal): return apply(removal, event)
        case .extent(let extent): extents.append(extent, thread: event.actor.tid)
        case .unmapRequest(let request): return apply(request, event)
        case .barMmap: break
        default:
            var applied = applyRare(event)
            applied.containerChange = .state
            return applied
        }
        return Applied()
    }

    /// Applies the events that happen only a few times in a container's life.
    private mutating func applyRare(_ event: Event) -> Applied {
        switch event.kind {
        case .map, .mappingRemoved, .extent, .unmapRequest, .barMmap: break
        case .containerOpen(let key): return openContainer(key, event)
        case .containerClose(let key): return closeContainer(key, event)
        case .iommuOpen(let iommu, let type, let key): return openIOMMU(iommu, type: type, key: key, event)
        case .iommuRelease(let iommu): return releaseIOMMU(iommu, event)
        case .iommuAttach(let iommu, let group, let result): return attach(iommu, group: group, result: result, event)
        case .groupOpen(let number): return openGroup(number, event)
        case .groupClose(let number): return closeGroup(number)
        case .groupAttach(let number, let key): return attachGroup(number, to: key, event)
        case .groupDetach(let number, let key): return detachGroup(number, from: key)
        case .deviceOpen(let use): return openDescriptor(use, event)
        case .deviceClose(let use): return closeDescriptor(use)
        case .deviceFirstOpen(let use): return firstOpen(use, event)
        case .deviceLastClose(let use): return lastClose(use, event)
        case .deviceInfo(let info): return learn(info)
        case .driverBind(let info): return bind(info)
        case .driverUnbind(let info): return unbind(info)
        case .deviceRemove(let address): return remove(address)
        case .barsAssigned(let info): return assign(info)
        case .memoryDecode(let address, let enabled, _): return change(address) { $0.memoryEnabled = enabled }
        case .reset(let address, let phase, let wholeBus): return reset(address, phase: phase, wholeBus: wholeBus)
        case .power(let address, let state, _):
            return state == .unknown ? Applied() : change(address) { $0.power = state }
        case .dmaBuf(let buffer): return apply(buffer, event)
        case .keptBar(let kept): return apply(kept, event)
        case .processInfo(let info):
            processes[event.actor.process] = info
            if let index = actors.find(event.actor.process) { learnLimit(of: index) }
            var applied = Applied()
            applied.affects = .process(event.actor.process)
            return applied
        case .processExit: return exit(event)
        case .processExec: return exec(event)
        case .loss(let since, let lost):
            extendGap(since: since, until: event.time, lost: lost)
            needsSnapshot = true
        case .snapshotBegin: return beginSnapshot(event)
        case .snapshotEnd: return endSnapshot(event)
        case .snapshotContainer(let key, let iommu, let type):
            return foundContainer(key, iommu: iommu, type: type, event)
        case .snapshotGroup(let number, let key): return foundGroup(number, key, event)
        case .snapshotDevice(let found): return foundDevice(found, event)
        case .snapshotHolder(let held, _): return foundHolder(held, event)
        case .walkBegin(let iommu): return beginWalk(iommu, event)
        case .walkEnd(let iommu, _, let consistent): return endWalk(iommu, consistent: consistent)
        }
        return Applied()
    }
}
