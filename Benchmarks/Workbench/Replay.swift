// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import Glibc
import MappingGraph
import Outputs
import Pipeline
import Policies

/// How far a history is followed.
enum Stage: String, CaseIterable {
    /// Records are unpacked and decoded.
    case scan
    /// Also applied to the graph.
    case graph
    /// Also judged by every rule.
    case rules
    /// Also written as JSON timeline, as `export` does.
    case write
    /// The JSON timeline is read back to events.
    case read
}

/// Processes each record for the stages up to `graph`.
struct GraphFollower: ~Copyable {
    let isScan: Bool
    private var graph = Graph()
    private var decoder = RecordDecoder()
    private var applied = Applied()
    /// A value from each event, so that none is optimised away.
    private(set) var check: UInt64 = 0

    init(isScan: Bool) { self.isScan = isScan }

    var mappings: Int { graph.containers.map { graph.mappingCount(in: $0.id) }.reduce(0, +) }

    @inline(__always)
    mutating func follow(_ record: UnsafeRawPointer, _ count: Int) {
        if let ordinary = decoder.ordinary(record, count: count) {
            if isScan {
                check &+= ordinary.iova
            } else {
                graph.apply(ordinary, at: record, into: &applied)
            }
        } else if let event = decoder.decode(record, count: count) {
            if isScan { check &+= event.time } else { graph.apply(event, into: &applied) }
        }
    }
}

extension Graph {
    @inline(__always)
    mutating func apply(_ ordinary: OrdinaryRecord, at record: UnsafeRawPointer, into applied: inout Applied) {
        apply(ordinary, event: { Event(ordinary, .init(ordinary, at: record)) }, into: &applied)
    }
}

/// Counts findings, and writes the timeline if requested.
struct Writer: PipelineObserver, ~Copyable {
    private let writes: Bool
    private var lines = JSONLines()
    private var out: ByteWriter
    private(set) var findings: UInt64 = 0

    init(writes: Bool) {
        self.writes = writes
        var total: UInt64 = 0
        out = ByteWriter { total &+= UInt64($0.count) }
    }

    var written: UInt64 { out.total }

    mutating func begin(_ session: Session, devices: [DeviceInfo]) {
        if writes { lines.begin(session, devices: devices, into: &out) }
    }

    mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) {
        if writes { lines.event(event, applied: applied, graph: graph, into: &out) }
    }

    mutating func ordinary(
        _ record: OrdinaryRecord, details: () -> OrdinaryRecord.Details, applied: borrowing Applied,
        graph: borrowing Graph
    ) {
        if writes { lines.ordinary(record, details(), applied: applied, graph: graph, into: &out) }
    }

    mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) { findings += 1 }
}

/// `replay STAGE FILE`: replays one recording (for read, one timeline) from its bytes.
func replay(_ stage: Stage, _ path: String) throws -> Figures {
    let input = try MappedFile(path)
    var decoded = 0
    let began = cpuNanoseconds()
    if stage == .read {
        var reader = TimelineReader()
        var events: UInt64 = 0, check: UInt64 = 0
        try reader.read(input.bytes) { event in
            events &+= 1
            check &+= event.time
        }
        try reader.finish { _ in events &+= 1 }
        let spent = cpuNanoseconds() - began
        return [
            ("events", Double(events)), ("bytes", Double(input.bytes.count)), ("ns", Double(spent)),
            ("check", Double(check & 0xffff)),
        ]
    }
    var events: UInt64 = 0
    var reader = try RecordingReader(input.bytes, path: path)
    if stage == .scan || stage == .graph {
        var follower = GraphFollower(isScan: stage == .scan)
        reader.forEach { record, count in
            events &+= 1
            decoded &+= count
            follower.follow(record, count)
        }
        return [
            ("events", Double(events)), ("bytes", Double(decoded)), ("ns", Double(cpuNanoseconds() - began)),
            ("mappings", Double(follower.mappings)), ("check", Double(follower.check & 0xffff)),
        ]
    }
    var pipeline = Pipeline(observer: Writer(writes: stage == .write))
    if let session = reader.session { pipeline.begin(session) }
    reader.forEach { record, count in
        events &+= 1
        decoded &+= count
        pipeline.consume(record, count: count)
    }
    let spent = cpuNanoseconds() - began
    let mappings = pipeline.graph.containers.map { pipeline.graph.mappingCount(in: $0.id) }.reduce(0, +)
    return [
        ("events", Double(events)), ("bytes", Double(decoded)), ("ns", Double(spent)), ("mappings", Double(mappings)),
        ("findings", Double(pipeline.observer.findings)), ("written", Double(pipeline.observer.written)),
    ]
}

/// `rules FILE`: measures the graph alone and the graph with rules, in turn, on records that are
/// already unpacked. Prints nanoseconds for an event, the least of five runs.
func rules(_ path: String) throws -> Figures {
    let input = try MappedFile(path)
    var reader = try RecordingReader(input.bytes, path: path)
    var unpacked: [UInt64] = []
    var records = 0
    reader.forEach { record, count in
        unpacked.append(UInt64(count))
        unpacked.append(
            contentsOf: UnsafeBufferPointer(start: record.assumingMemoryBound(to: UInt64.self), count: count >> 3))
        records += 1
    }
    var best: [Stage: UInt64] = [:]
    var findings: UInt64 = 0
    for _ in 0..<5 {
        for stage in [Stage.scan, .graph, .rules] {
            var follower = GraphFollower(isScan: stage == .scan)
            var pipeline = Pipeline(observer: Writer(writes: false))
            let began = cpuNanoseconds()
            unpacked.withUnsafeBufferPointer { words in
                var position = 0
                while position < words.count {
                    let count = Int(words[position])
                    let record = UnsafeRawPointer(words.baseAddress! + position + 1)
                    if stage == .rules {
                        pipeline.consume(record, count: count)
                    } else {
                        follower.follow(record, count)
                    }
                    position += 1 + count >> 3
                }
            }
            best[stage] = min(best[stage] ?? .max, cpuNanoseconds() - began)
            if stage == .rules { findings = pipeline.observer.findings }
        }
    }
    return [("events", Double(records)), ("findings", Double(findings))]
        + best.map { ("\($0.key.rawValue)_ns", Double($0.value) / Double(records)) }.sorted { $0.0 < $1.0 }
}

/// A file's bytes, mapped for as long as the process lives.
struct MappedFile {
    let bytes: UnsafeRawBufferPointer

    init(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0,
            let base = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0),
            base != MAP_FAILED
        else { throw RecordingError.cannotRead(path: path, errno: errno) }
        close(descriptor)
        bytes = UnsafeRawBufferPointer(start: base, count: Int(status.st_size))
    }
}
