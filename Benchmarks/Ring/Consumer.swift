import Events
import Findings
import Kernel
import MappingGraph

/// How far each record is processed.
enum Mode: String {
    /// Counts records without reading them.
    case count
    /// Decodes records to events.
    case decode
    /// Applies events to the live graph.
    case graph
    /// Judges by every rule as well, as the tool does.
    case rules
}

/// Processes each record as far as `mode` demands.
struct Consumer: ~Copyable {
    private let mode: Mode
    private var decoder = RecordDecoder()
    private var graph = Graph()
    private var engine = Engine()
    /// A sum over all events, so that the compiler cannot optimise their decoding away.
    private(set) var check: UInt64 = 0

    init(_ mode: Mode) {
        self.mode = mode
        engine.configure(&graph)
        // The history of the producer's container: its group, device and IOMMU side.
        let owner = Actor(
            process: ProcessKey(pid: 100, start: 1000), tid: 100, cgroup: 1, comm: Comm("qemu-system-x86"))
        let device = PCIAddress("0000:01:00.0")!
        let kinds: [Event.Kind] = [
            .deviceInfo(
                DeviceInfo(
                    device: device, group: 1, driver: DriverName("vfio-pci"), bars: InlineArray(repeating: Bar()))),
            .containerOpen(ContainerKey(0x1000)), .groupOpen(1), .groupAttach(1, ContainerKey(0x1000)),
            .iommuAttach(IOMMUKey(0x2000), group: 1, result: 0),
            .iommuOpen(IOMMUKey(0x2000), type: 3, container: ContainerKey(0x1000)),
            .deviceFirstOpen(DeviceUse(device: device, group: 1, openCount: 1, memoryEnabled: true)),
        ]
        for (time, kind) in kinds.enumerated() { apply(Event(time: UInt64(time), actor: owner, kind: kind)) }
    }

    var mappings: Int { graph.containers.map { graph.mappingCount(in: $0.id) }.reduce(0, +) }

    mutating func drain(_ ring: RingReader) -> Int {
        switch mode {
        case .count: return ring.consume { _, _ in true }
        case .decode:
            return ring.consume { record, count in
                if let plain = decoder.plain(record, count: count) {
                    check &+= plain.iova
                } else {
                    decoder.decode(record, count: count) { check &+= $0.time }
                }
                return true
            }
        case .graph:
            return ring.consume { record, count in
                if let plain = decoder.plain(record, count: count), graph.apply(plain) != nil { return true }
                decoder.decode(record, count: count) { _ = graph.apply($0) }
                return true
            }
        case .rules:
            return ring.consume { record, count in
                if let plain = decoder.plain(record, count: count) {
                    engine.advance(to: plain.time, graph: graph) { check &+= UInt64($0.id) }
                    if let change = graph.apply(plain) {
                        engine.apply(plain, change: change, graph: graph) { check &+= UInt64($0.id) }
                        return true
                    }
                }
                decoder.decode(record, count: count) { event in
                    engine.advance(to: event.time, graph: graph) { check &+= UInt64($0.id) }
                    let applied = graph.apply(event)
                    engine.apply(event, applied: applied, graph: graph) { check &+= UInt64($0.id) }
                }
                return true
            }
        }
    }

    private mutating func apply(_ event: Event) {
        engine.advance(to: event.time, graph: graph) { check &+= UInt64($0.id) }
        let applied = graph.apply(event)
        engine.apply(event, applied: applied, graph: graph) { check &+= UInt64($0.id) }
    }
}
