import Events

/// Who can DMA where: the containers, groups, devices and mappings of one host, rebuilt from
/// events.
///
/// A pure value that is lent and never copied: no I/O and no clock. The same events in the same
/// order give the same graph, live or replayed. A RAM-only map or unmap allocates nothing (a new
/// leaf of the index apart) and hashes nothing while events stay with one container and one
/// process.
public struct Graph: ~Copyable, Sendable {
    /// A container with its mappings; at index `ContainerID.number - 1`, for ever.
    struct Slot: Sendable {
        var container: Container
        var index = MappingIndex()
        /// Those of `index` whose memory has a file.
        var backed = BackedMappings()
        var bytes: UInt64 = 0
        /// Of the number of mappings.
        var growth = Growth()
    }

    var slots: [Slot] = []
    var byKey: [ContainerKey: Int] = [:]
    var byIOMMU: [IOMMUKey: Int] = [:]
    /// The last look-up in `byIOMMU`; -1 for none.
    var cachedSlot = -1
    var cachedIOMMU = IOMMUKey(0)
    /// Types of IOMMU sides whose container is not known yet.
    var unlinkedTypes: [IOMMUKey: UInt32] = [:]
    /// The IOMMU side that a group was attached to before its container was known.
    var unlinkedGroups: [UInt32: IOMMUKey] = [:]

    /// By group number. A group stays once seen.
    public internal(set) var groups: [UInt32: Group] = [:]
    /// By PCI address. A device stays once seen, `isRemoved` when it is gone.
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
    /// Whether records were lost, and no snapshot has made up for them yet.
    public internal(set) var needsSnapshot = false

    /// Processes that used VFIO and have exited.
    var exited: Set<ProcessKey> = []
    var requests = RequestProgress()
    var emptyUnmaps = EmptyUnmaps()
    /// How many mappings a container may have, the kernel's `dma_entry_limit`: a parameter of
    /// vfio_iommu_type1.
    public var mappingLimit = 65_535
    /// Whether the host remaps interrupts; nil where it is not known.
    public var remapsInterrupts: Bool?
    /// Of `mappingLimit`, 10…100: the mark at which rules are asked about a container's number of
    /// mappings.
    public var mappingMarkPercent = 95
    /// Of RLIMIT_MEMLOCK, 10…100: the mark at which rules are asked about a process's pinned
    /// memory. Before the first event.
    public var memlockMarkPercent = 95

    /// Losses of records, in order: what happened within them is not in the graph.
    public internal(set) var gaps: [Gap] = []
    /// What the last complete snapshot found, and how it differed from the graph.
    public internal(set) var lastSnapshot: SnapshotResult?
    /// Snapshots that found another state although nothing had been lost: an event was missed and
    /// nobody knew. The first 16.
    public internal(set) var contradictions: [SnapshotResult] = []
    /// Mappings that the last snapshot found and the graph had not, with the time at which it did:
    /// one that was being made just then is yet to be told by its own event.
    var unexplained: [FoundMapping: UInt64] = [:]
    /// dma-bufs of open devices.
    var buffers: [UInt64: ExportedBuffer] = [:]
    /// What processes keep of BARs past the kernel's zap, by `KeptArea.id`.
    var keptAreas: [UInt32: KeptArea] = [:]
    var nextKeptArea: UInt32 = 0
    /// When the first complete snapshot ended: from then on the graph knows what was there before
    /// tracing, nanoseconds since boot.
    public internal(set) var knownSince: UInt64?

    /// Swift 6.3 lends a value of known layout by copying its bytes, here 1,800 for each call of a
    /// rule. What holds an existential it lends by address.
    private let lentByAddress: any Sendable = ()

    public init() {}

    /// Brings the graph up to date and leaves in `applied` what the event meant. O(log *n*) in the
    /// mappings of the container for a map or unmap.
    public mutating func apply(_ event: Event, into applied: inout Applied) { applied = apply(event) }

    /// The same, and returns what the event meant.
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

    /// What happens a few times in a container's life.
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
