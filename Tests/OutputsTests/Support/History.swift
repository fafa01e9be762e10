// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Pipeline
import Policies
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

    /// Passes the devices and events through a pipeline that writes to `output`, as the tool does.
    func run(_ output: some EventOutput) -> [UInt8] {
        ByteWriter.gather { out in
            withUnsafeMutablePointer(to: &out) { out in
                var pipeline = Pipeline(observer: Writer(output: output, out: out))
                feed(&pipeline)
                pipeline.finish(evidence)
            }
        }
    }

    func timeline(showVaddr: Bool = false) -> [UInt8] { run(JSONLines(options: OutputOptions(showVaddr: showVaddr))) }

    /// The state at the end, with its open findings.
    func final() -> Ending {
        var pipeline = Pipeline(observer: Silence())
        feed(&pipeline)
        let evidence = pipeline.finish(evidence)
        return Ending(pipeline: pipeline, evidence: evidence)
    }

    private func feed<Observer: ~Copyable>(_ pipeline: inout Pipeline<Observer>) {
        pipeline.begin(session)
        for device in devices { pipeline.consume(Event(time: session.began, kind: .deviceInfo(device))) }
        for event in events { pipeline.consume(event) }
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

/// A pipeline at the end of its history.
struct Ending: ~Copyable {
    let pipeline: Pipeline<Silence>
    let evidence: Evidence
    var graph: Graph { _read { yield pipeline.graph } }
    var findings: [Finding] { pipeline.engine.openFindings }
}

/// Observes nothing.
struct Silence: PipelineObserver {}

/// Writes what it observes in a format.
struct Writer<Output: EventOutput>: PipelineObserver {
    var output: Output
    let out: UnsafeMutablePointer<ByteWriter>

    mutating func begin(_ session: Session, devices: [DeviceInfo]) {
        output.begin(session, devices: devices, into: &out.pointee)
    }

    mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) {
        output.event(event, applied: applied, graph: graph, into: &out.pointee)
    }

    mutating func ordinary(
        _ record: OrdinaryRecord, details: () -> OrdinaryRecord.Details, applied: borrowing Applied,
        graph: borrowing Graph
    ) {
        output.ordinary(record, details(), applied: applied, graph: graph, into: &out.pointee)
    }

    mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) {
        output.finding(judged.finding, suppressed: judged.suppressed, graph: graph, into: &out.pointee)
    }

    mutating func end(_ evidence: Evidence, graph: borrowing Graph) {
        output.end(evidence, graph: graph, into: &out.pointee)
    }
}
