// SPDX-License-Identifier: Apache-2.0
/// One event, in the form that every later stage consumes: live, replayed from a recording, or read
/// back from a timeline.
///
/// An event is a value. The large and rare parts, devices and processes, are behind one immutable
/// reference, so copying an event allocates nothing. Kernel addresses appear only as keys
/// (`ContainerKey`, `IOMMUKey`). The kernel reuses them; MappingGraph tells their generations
/// apart.
public struct Event: Sendable {
    /// Nanoseconds since boot (CLOCK_BOOTTIME).
    public var time: UInt64
    public var actor: Actor
    public var kind: Kind

    public init(time: UInt64, actor: Actor = Actor(), kind: Kind) {
        self.time = time
        self.actor = actor
        self.kind = kind
    }

    public enum Kind: Sendable {
        case containerOpen(ContainerKey)
        case containerClose(ContainerKey)
        /// The container's IOMMU side has been created. The kernel reports it without its
        /// container, which the graph finds by group.
        case iommuOpen(IOMMUKey, type: UInt32, container: ContainerKey?)
        case iommuRelease(IOMMUKey)
        case iommuAttach(IOMMUKey, group: UInt32, result: Int32)
        case groupOpen(UInt32)
        case groupClose(UInt32)
        case groupAttach(UInt32, ContainerKey)
        case groupDetach(UInt32, ContainerKey)
        case deviceOpen(DeviceUse)
        case deviceClose(DeviceUse)
        case deviceFirstOpen(DeviceUse)
        case deviceLastClose(DeviceUse)
        case barMmap(BarMmap)
        indirect case deviceInfo(DeviceInfo)
        indirect case driverBind(DeviceInfo)
        indirect case driverUnbind(DeviceInfo)
        case deviceRemove(PCIAddress)
        /// The kernel assigned addresses to the device's BARs, new ones or the same again.
        indirect case barsAssigned(DeviceInfo)
        case map(MapRequest)
        /// One run of device memory in the mapping that the thread is making. The `map` event
        /// follows.
        case extent(Extent)
        case mappingRemoved(MappingRemoved)
        case unmapRequest(UnmapRequest)
        case memoryDecode(PCIAddress, enabled: Bool, by: Origin)
        case reset(PCIAddress, phase: Phase, wholeBus: Bool)
        case power(PCIAddress, state: PowerState, by: Origin)
        case dmaBuf(DMABuf)
        /// The actor still has a part of a BAR after the kernel's zap, or no longer has it.
        case keptBar(KeptBar)
        case processInfo(ProcessInfo)
        case processExit
        /// The process runs another program from now on, in another address space. The memory that
        /// it had mapped is no longer in any address space.
        case processExec
        case loss(since: UInt64, lost: UInt64)
        /// The present state, read from the kernel's own structs, follows until `snapshotEnd`.
        /// Other events can come in between.
        case snapshotBegin
        /// Objects that were not seen since `snapshotBegin` no longer exist.
        case snapshotEnd
        case snapshotContainer(ContainerKey, iommu: IOMMUKey?, type: UInt32)
        case snapshotGroup(UInt32, ContainerKey?)
        case snapshotDevice(SnapshotDevice)
        /// The actor holds the object, by a descriptor or by a BAR mapping.
        case snapshotHolder(Held, byMapping: Bool)
        /// The mappings of one IOMMU follow as `map` events of provenance `snapshot`, in ascending
        /// order of IOVA, until `walkEnd`.
        case walkBegin(IOMMUKey)
        /// `consistent`: the kernel's count of mappings equals the number found.
        case walkEnd(IOMMUKey, mappings: UInt64, consistent: Bool)
    }
}

/// An object that a process holds open.
public enum Held: Hashable, Sendable {
    case container(ContainerKey)
    case group(UInt32)
    case device(PCIAddress)
}

/// The thread that caused an event, from the record's header.
public struct Actor: Hashable, Sendable {
    public var process: ProcessKey
    public var tid: UInt32
    public var uid: UInt32
    /// The cgroup v2 id.
    public var cgroup: UInt64
    public var comm: Comm

    @inlinable
    public init(
        process: ProcessKey = ProcessKey(), tid: UInt32 = 0, uid: UInt32 = 0, cgroup: UInt64 = 0, comm: Comm = Comm()
    ) {
        self.process = process
        self.tid = tid
        self.uid = uid
        self.cgroup = cgroup
        self.comm = comm
    }

    /// Compares without a branch: each line of a timeline is compared with the previous line's
    /// actor, and nearly always the two are equal.
    @inlinable @inline(__always)
    public static func == (a: Self, b: Self) -> Bool {
        var difference = UInt64((a.process.pid ^ b.process.pid) | (a.tid ^ b.tid) | (a.uid ^ b.uid))
        difference |= (a.process.start ^ b.process.start) | (a.cgroup ^ b.cgroup)
        difference |= (a.comm.low ^ b.comm.low) | (a.comm.high ^ b.comm.high)
        return difference == 0
    }
}

/// Identifies a process uniquely. A pid alone is not enough, because the kernel reuses it.
public struct ProcessKey: Hashable, Sendable {
    /// The thread group (what user space calls the pid).
    public var pid: UInt32
    /// When the thread group's leader started, nanoseconds since boot.
    public var start: UInt64

    @inlinable
    public init(pid: UInt32 = 0, start: UInt64 = 0) {
        self.pid = pid
        self.start = start
    }
}

public struct ContainerKey: Hashable, Sendable {
    public var raw: UInt64
    @inlinable public init(_ raw: UInt64) { self.raw = raw }
}

public struct IOMMUKey: Hashable, Sendable {
    public var raw: UInt64
    @inlinable public init(_ raw: UInt64) { self.raw = raw }
}

public enum Origin: UInt8, Sendable { case vfio = 1, host = 2 }
public enum Phase: UInt8, Sendable { case begin = 1, end = 2 }

/// The kernel's pci_power_t.
public enum PowerState: UInt8, Sendable, CaseIterable {
    case d0 = 0, d1, d2, d3hot, d3cold, unknown
}

public enum Provenance: UInt8, Sendable { case observed = 0, snapshot = 1, inferred = 2 }

/// Why a mapping went away.
public enum RemovalCause: UInt8, Sendable { case request = 0, teardown = 1, failedMap = 2 }
