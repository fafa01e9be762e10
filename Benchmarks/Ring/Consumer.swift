// SPDX-License-Identifier: Apache-2.0
import Events
import Kernel
import MappingGraph
import Pipeline

/// How far the consumer follows each record.
enum Mode: String {
    /// Reads no record.
    case count
    /// Decodes records to events.
    case decode
    /// Also applies them to the live graph.
    case graph
    /// Also judges the graph by every rule, as the tool does.
    case rules
}

/// Processes each record up to the stage `mode`.
struct Consumer: ~Copyable {
    private let mode: Mode
    private var pipeline = Pipeline(observer: NoObserver())
    private var decoder = RecordDecoder()
    private var graph = Graph()
    private var applied = Applied()
    /// A value from each event, so that none is optimised away.
    private(set) var check: UInt64 = 0

    init(_ mode: Mode) {
        self.mode = mode
        // The producer's container, with a group and its IOMMU side.
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

    var mappings: Int {
        if mode != .rules { return graph.containers.map { graph.mappingCount(in: $0.id) }.reduce(0, +) }
        return pipeline.graph.containers.map { pipeline.graph.mappingCount(in: $0.id) }.reduce(0, +)
    }

    mutating func drain(_ ring: RingReader) -> Int {
        switch mode {
        case .count: return ring.consume { _, _ in true }
        case .decode:
            return ring.consume { record, count in
                if let ordinary = decoder.ordinary(record, count: count) {
                    check &+= ordinary.iova
                } else if let event = decoder.decode(record, count: count) {
                    check &+= event.time
                }
                return true
            }
        case .graph:
            return ring.consume { record, count in
                if let ordinary = decoder.ordinary(record, count: count) {
                    graph.apply(
                        ordinary, event: { Event(ordinary, .init(ordinary, at: record)) }, into: &applied)
                } else if let event = decoder.decode(record, count: count) {
                    graph.apply(event, into: &applied)
                }
                return true
            }
        case .rules:
            return ring.consume { record, count in
                pipeline.consume(record, count: count)
                return true
            }
        }
    }

    private mutating func apply(_ event: Event) {
        _ = graph.apply(event)
        pipeline.consume(event)
    }
}
