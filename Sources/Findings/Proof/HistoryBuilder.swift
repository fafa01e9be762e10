// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// The words in which the history of a host is written, one event or a few to a call.
///
/// `HostHistory` keeps the events for a rule's proof; the `Host` of the unit tests feeds them to a
/// graph and an engine at once. The conforming type determines the unit of times. Who acts is VM A,
/// unless a call names another process.
public protocol HistoryBuilder: ~Copyable {
    /// Adds one event. Times do not descend by more than records of two CPUs can.
    mutating func at(_ time: UInt64, _ kind: Event.Kind, by actor: Actor)
    /// Time passes without events, until `time` inclusive.
    mutating func advance(to time: UInt64)
}

extension HistoryBuilder where Self: ~Copyable {
    public mutating func at(_ time: UInt64, _ kind: Event.Kind) { at(time, kind, by: Scene.vmA) }

    // MARK: Beginnings

    /// VM A has the GPU in container c1, its group attached, and 4 MiB of RAM mapped at IOVA 0:
    /// times 1 to 6.
    public mutating func beginWithRAM(type: UInt32 = 1) {
        at(1, .deviceInfo(Scene.gpuInfo), by: Scene.host)
        at(2, .containerOpen(Scene.c1))
        attach(3, Scene.gpuGroup, type: type)
        mapRAM(6, iova: 0, size: 0x40_0000)
    }

    /// VM A has the GPU in c1 and maps the network card's BAR at `Scene.window` at time 100. The
    /// card's group is in `nicIn`, and `nicOpener` opened it at time 50.
    public mutating func beginPeerToPeer(
        nicIn: ContainerKey = Scene.c1, nicOpener: Actor? = Scene.vmA, driver: String = "vfio-pci"
    ) {
        let nicInfo = Scene.info(Scene.nic, group: Scene.nicGroup, bar: Scene.nicBar, driver: driver)
        at(1, .deviceInfo(Scene.gpuInfo), by: Scene.host)
        at(1, .deviceInfo(nicInfo), by: Scene.host)
        at(2, .containerOpen(Scene.c1))
        attach(3, Scene.gpuGroup)
        at(6, .deviceFirstOpen(Scene.gpuUse))
        if nicIn != Scene.c1 { at(7, .containerOpen(nicIn), by: nicOpener ?? Scene.vmB) }
        at(8, .groupAttach(Scene.nicGroup, nicIn), by: nicOpener ?? Scene.vmB)
        if let nicOpener { open(50, by: nicOpener) }
        mapNIC(100)
    }

    /// Attaches a group to a container, which gets its IOMMU side by that; takes from `time` until
    /// 2 later.
    public mutating func attach(
        _ time: UInt64, _ group: UInt32, to container: ContainerKey = Scene.c1, side: IOMMUKey = Scene.i1,
        type: UInt32 = 1, by actor: Actor = Scene.vmA
    ) {
        at(time, .groupAttach(group, container), by: actor)
        at(time + 1, .iommuOpen(side, type: type, container: nil), by: actor)
        at(time + 2, .iommuAttach(side, group: group, result: 0), by: actor)
    }

    // MARK: RAM

    /// A map of RAM returns `result`: 0 or a negative errno.
    public mutating func mapRAM(
        _ time: UInt64, iova: UInt64, size: UInt64 = 0x1000, result: Int32 = 0, readable: Bool = true,
        by actor: Actor = Scene.vmA
    ) {
        at(
            time, .map(MapRequest(iommu: Scene.i1, iova: iova, size: size, readable: readable, result: result)),
            by: actor)
    }

    /// A mapping is removed; its unmap request has not returned.
    public mutating func remove(
        _ time: UInt64, iova: UInt64, size: UInt64 = 0x1000, cause: RemovalCause = .request,
        by actor: Actor = Scene.vmA
    ) {
        at(
            time, .mappingRemoved(MappingRemoved(iommu: Scene.i1, iova: iova, size: size, cause: cause)), by: actor)
    }

    /// An unmap request returns `result`, and `size`: how many bytes it removed.
    public mutating func unmapReturns(
        _ time: UInt64, iova: UInt64, size: UInt64, flags: UInt32 = 0, result: Int32 = 0, requested: UInt64? = nil,
        by actor: Actor = Scene.vmA
    ) {
        let request = UnmapRequest(
            iommu: Scene.i1, iova: iova, size: size, flags: flags, result: result, requested: requested)
        at(time, .unmapRequest(request), by: actor)
    }

    // MARK: The network card

    /// All of the card's BAR is mapped for DMA.
    public mutating func mapNIC(_ time: UInt64, iova: UInt64 = Scene.window, by actor: Actor = Scene.vmA) {
        let size = Scene.barSize
        at(time, .extent(Extent(iova: iova, address: Scene.nicBar, size: size)), by: actor)
        at(
            time, .map(MapRequest(iommu: Scene.i1, iova: iova, size: size, deviceBytes: size, extentCount: 1)),
            by: actor)
    }

    /// The mapping of the card's BAR is removed.
    public mutating func unmap(_ time: UInt64, iova: UInt64 = Scene.window) {
        remove(time, iova: iova, size: Scene.barSize)
    }

    /// The card's first descriptor is opened.
    public mutating func open(_ time: UInt64, by actor: Actor) {
        at(time, .deviceFirstOpen(Scene.nicUse), by: actor)
        at(time, .deviceOpen(Scene.nicUse), by: actor)
    }

    /// The card's last descriptor is closed.
    public mutating func close(_ time: UInt64, by actor: Actor = Scene.vmA) {
        at(time, .deviceLastClose(Scene.nicUse), by: actor)
    }

    /// A driver takes the card.
    public mutating func bind(_ time: UInt64, _ driver: String) {
        at(time, .driverBind(DeviceInfo(device: Scene.nic, driver: DriverName(driver))), by: Scene.host)
    }

    /// vfio-pci gives the card up.
    public mutating func unbind(_ time: UInt64) {
        at(time, .driverUnbind(DeviceInfo(device: Scene.nic, driver: DriverName("vfio-pci"))), by: Scene.host)
    }

    // MARK: Processes

    /// What is found out about a process.
    public mutating func describe(
        _ actor: Actor, vm: String = "", uuid: String = "", cgroup: String = "", lock: MemoryLock? = nil,
        at time: UInt64
    ) {
        let info = ProcessInfo(
            exe: ShortText("/usr/bin/qemu"), vm: ShortText(vm), vmUUID: uuid, cgroupPath: cgroup, memoryLock: lock)
        at(time, .processInfo(info), by: actor)
    }

    /// A process turns out to be the virtual machine `vm`.
    public mutating func name(_ actor: Actor, _ vm: String, at time: UInt64) { describe(actor, vm: vm, at: time) }
}
