import Events
import Findings
import MappingGraph

/// A graph and an engine fed as the tool feeds them, and what was found on the way.
struct Host: ~Copyable {
    var graph = Graph()
    var engine: Engine
    var findings: [Finding] = []
    /// Events so far, for a replay.
    var history: [Event] = []

    init(rules: [any Rule] = RuleRegistry.all, debounce: UInt64 = 500) {
        engine = Engine(rules: rules, debounce: debounce)
    }

    mutating func apply(_ event: Event) {
        history.append(event)
        var found: [Finding] = []
        engine.advance(to: event.time, graph: graph) { found.append($0) }
        let applied = graph.apply(event)
        engine.apply(event, applied: applied, graph: graph) { found.append($0) }
        findings += found
    }

    mutating func at(_ time: UInt64, _ kind: Event.Kind, by actor: Actor = vmA) {
        apply(Event(time: time, actor: actor, kind: kind))
    }

    mutating func advance(to time: UInt64) {
        var found: [Finding] = []
        engine.advance(to: time, graph: graph) { found.append($0) }
        findings += found
    }

    /// `rule severity state`, in order.
    var said: [String] { findings.map { "\($0.rule) \($0.severity.name) \($0.state == .open ? "open" : "resolved")" } }
}

let gpu = PCIAddress("0000:01:00.0")!
let nic = PCIAddress("0000:02:00.0")!
let nicSibling = PCIAddress("0000:02:00.1")!
let gpuGroup: UInt32 = 1, nicGroup: UInt32 = 2
let c1 = ContainerKey(0x100), c2 = ContainerKey(0x200), c3 = ContainerKey(0x300)
let i1 = IOMMUKey(0x1000)
let vmA = actor(100, "qemu-a"), vmB = actor(200, "qemu-b"), host = actor(1, "systemd")
let nicBar: UInt64 = 0xf000_0000, window: UInt64 = 0x8000_0000, size: UInt64 = 0x10_0000

func actor(_ pid: UInt32, _ comm: String) -> Actor {
    Actor(process: ProcessKey(pid: pid, start: UInt64(pid) * 10), tid: pid, comm: Comm(comm))
}

func info(_ device: PCIAddress, group: UInt32, bar: UInt64, driver: String = "vfio-pci") -> DeviceInfo {
    var bars: InlineArray<7, Bar> = InlineArray(repeating: Bar())
    bars[0] = Bar(address: bar, size: size)
    return DeviceInfo(device: device, group: group, driver: DriverName(driver), bars: bars)
}

extension Host {
    /// VM A has the GPU in c1 and maps the NIC's BAR at `window` at time 100. The NIC's group is in
    /// `nicIn`, opened by `nicOpener` at time 50.
    static func peerToPeer(
        nicIn: ContainerKey = c1, nicOpener: Actor? = vmA, driver: String = "vfio-pci",
        rules: [any Rule] = RuleRegistry.all,
        debounce: UInt64 = 500
    ) -> Host {
        var it = Host(rules: rules, debounce: debounce)
        it.at(1, .deviceInfo(info(gpu, group: gpuGroup, bar: 0xe000_0000)), by: host)
        it.at(1, .deviceInfo(info(nic, group: nicGroup, bar: nicBar, driver: driver)), by: host)
        it.at(2, .containerOpen(c1))
        it.at(3, .groupAttach(gpuGroup, c1))
        it.at(4, .iommuOpen(i1, type: 1, container: nil))
        it.at(5, .iommuAttach(i1, group: gpuGroup, result: 0))
        it.at(6, .deviceFirstOpen(DeviceUse(device: gpu, group: gpuGroup)))
        if nicIn != c1 { it.at(7, .containerOpen(nicIn), by: nicOpener ?? vmB) }
        it.at(8, .groupAttach(nicGroup, nicIn), by: nicOpener ?? vmB)
        if let nicOpener { it.open(50, by: nicOpener) }
        it.mapNIC(100)
        return it
    }

    /// The rules on who has the device that a mapping leads to, and whether it answers.
    static let placeRules = RuleRegistry.all.filter {
        ["stale-mapping", "isolation-break", "unbound-device", "cross-container", "memory-disabled"].contains($0.slug)
    }

    mutating func mapRAM(
        _ time: UInt64, iova: UInt64, size: UInt64 = 0x1000, result: Int32 = 0, readable: Bool = true,
        by actor: Actor = vmA
    ) {
        at(time, .map(Map(iommu: i1, iova: iova, size: size, readable: readable, result: result)), by: actor)
    }

    mutating func remove(
        _ time: UInt64, iova: UInt64, size: UInt64 = 0x1000, cause: RemovalCause = .request, by actor: Actor = vmA
    ) {
        at(time, .mappingRemoved(MappingRemoved(iommu: i1, iova: iova, size: size, cause: cause)), by: actor)
    }

    mutating func unmapReturns(
        _ time: UInt64, iova: UInt64, size: UInt64, flags: UInt32 = 0, result: Int32 = 0, requested: UInt64? = nil,
        by actor: Actor = vmA
    ) {
        at(
            time,
            .unmapRequest(
                UnmapRequest(iommu: i1, iova: iova, size: size, flags: flags, result: result, requested: requested)),
            by: actor)
    }

    mutating func mapNIC(_ time: UInt64, iova: UInt64 = window, by actor: Actor = vmA) {
        at(time, .extent(Extent(iova: iova, address: nicBar, size: size)), by: actor)
        at(time, .map(Map(iommu: i1, iova: iova, size: size, deviceBytes: size, extentCount: 1)), by: actor)
    }

    mutating func open(_ time: UInt64, by actor: Actor) {
        at(time, .deviceFirstOpen(DeviceUse(device: nic, group: nicGroup)), by: actor)
        at(time, .deviceOpen(DeviceUse(device: nic, group: nicGroup)), by: actor)
    }

    mutating func close(_ time: UInt64, by actor: Actor = vmA) {
        at(time, .deviceLastClose(DeviceUse(device: nic, group: nicGroup)), by: actor)
    }

    mutating func unmap(_ time: UInt64, iova: UInt64 = window) {
        at(time, .mappingRemoved(MappingRemoved(iommu: i1, iova: iova, size: size, cause: .request)))
    }

    mutating func bind(_ time: UInt64, _ driver: String) {
        at(time, .driverBind(DeviceInfo(device: nic, driver: DriverName(driver))), by: host)
    }

    mutating func unbind(_ time: UInt64) {
        at(time, .driverUnbind(DeviceInfo(device: nic, driver: DriverName("vfio-pci"))), by: host)
    }

    mutating func describe(
        _ actor: Actor, vm: String = "", uuid: String = "", cgroup: String = "", lock: MemoryLock? = nil,
        at time: UInt64
    ) {
        at(
            time,
            .processInfo(
                ProcessInfo(
                    exe: ShortText("/usr/bin/qemu"), vm: ShortText(vm), vmUUID: uuid, cgroupPath: cgroup,
                    memoryLock: lock)), by: actor)
    }

    mutating func name(_ actor: Actor, _ vm: String, at time: UInt64) {
        at(time, .processInfo(ProcessInfo(exe: ShortText("/usr/bin/qemu"), vm: ShortText(vm))), by: actor)
    }
}
