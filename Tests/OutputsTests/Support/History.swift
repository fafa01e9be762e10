// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Pipeline
import TestSupport
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
        let buffer = ByteBuffer()
        var pipeline = Pipeline(observer: LineWriter(output, to: buffer.append))
        feed(&pipeline)
        pipeline.finish(evidence)
        return buffer.bytes
    }

    func timeline(showVaddr: Bool = false) -> [UInt8] { run(JSONLines(options: OutputOptions(showVaddr: showVaddr))) }

    /// The state at the end, with its open findings.
    func final() -> Ending {
        var pipeline = Pipeline(observer: NoObserver())
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
    let pipeline: Pipeline<NoObserver>
    let evidence: Evidence
    var graph: Graph { _read { yield pipeline.graph } }
    var findings: [Finding] { pipeline.engine.openFindings }
}
