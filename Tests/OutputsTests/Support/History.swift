import Events
import Findings
import MappingGraph
@testable import Outputs

/// A trace as tests make one: a session, its devices, events, and how it ended.
struct History {
    var session = Session(
        toolVersion: "0.1.0", kernel: "6.12.48", machine: "x86_64", bootID: "00000000-0000-4000-8000-000000000000",
        clockOffset: 1_790_000_000_000_000_000, began: 1_000_000_000,
        hooks: [
            .init(name: "map", function: "vfio_dma_do_map", how: "fexit"),
            .init(name: "power", function: "x", how: "missing"),
        ], mappingLimit: 65_535)
    var devices: [DeviceInfo] = []
    var events: [Event] = []
    var evidence = Evidence()

    /// Runs the events through graph, engine and `output`, as the tool does.
    func run(_ output: some EventOutput) -> [UInt8] {
        var output = output
        return ByteWriter.gather { out in
            var graph = Graph()
            var engine = Engine()
            for device in devices { _ = graph.apply(Event(time: session.began, kind: .deviceInfo(device))) }
            output.begin(session, devices: devices, into: &out)
            for event in events {
                engine.advance(to: event.time, graph: graph) { output.finding($0, graph: graph, into: &out) }
                let applied = graph.apply(event)
                output.event(event, applied: applied, graph: graph, into: &out)
                engine.apply(event, applied: applied, graph: graph) { output.finding($0, graph: graph, into: &out) }
            }
            engine.finish(at: evidence.ended, graph: graph) { output.finding($0, graph: graph, into: &out) }
            output.end(evidence, graph: graph, into: &out)
        }
    }

    func timeline(showVaddr: Bool = false) -> [UInt8] { run(JSONLines(options: OutputOptions(showVaddr: showVaddr))) }

    /// The state at the end, with its open findings.
    func final() -> Ending {
        var graph = Graph()
        var engine = Engine()
        for device in devices { _ = graph.apply(Event(time: session.began, kind: .deviceInfo(device))) }
        for event in events {
            engine.advance(to: event.time, graph: graph) { _ in }
            let applied = graph.apply(event)
            engine.apply(event, applied: applied, graph: graph) { _ in }
        }
        engine.finish(at: evidence.ended, graph: graph) { _ in }
        return Ending(graph: graph, findings: engine.openFindings)
    }

    /// Reads a timeline back, in chunks of `chunk` bytes.
    init(timeline: [UInt8], chunk: Int = .max) throws {
        var reader = TimelineReader()
        var events: [Event] = []
        try timeline.withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count {
                let end = start + min(chunk, bytes.count - start)
                try reader.read(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) { events.append($0) }
                start = end
            }
        }
        try reader.finish { events.append($0) }
        self.events = events
        session = reader.session!
        devices = reader.devices
        evidence = reader.evidence
    }

    init() {}
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// The lines, without the last one's line break.
func lines(_ bytes: [UInt8]) -> [String] {
    text(bytes).split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
}

/// The first line that differs, for a message.
func difference(_ a: [UInt8], _ b: [UInt8]) -> String? {
    let (a, b) = (lines(a), lines(b))
    for index in 0..<max(a.count, b.count) {
        let first = index < a.count ? a[index] : "nothing", second = index < b.count ? b[index] : "nothing"
        if first != second { return "line \(index + 1):\n  \(first)\n  \(second)" }
    }
    return nil
}

struct Ending: ~Copyable {
    let graph: Graph
    let findings: [Finding]
}
