import Events
import Findings
import Glibc
import MappingGraph
import Outputs

/// How far a recording or timeline is processed.
enum Stage: String, CaseIterable {
    /// Unpacks and decodes the records.
    case scan
    /// Applies events to the graph.
    case graph
    /// Judges by every rule as well.
    case rules
    /// Writes the JSON timeline as well, as `export` does.
    case write
    /// Reads a JSON timeline to events; no other stage.
    case read
}

/// Processes each record or event up to a stage.
struct Follower: ~Copyable {
    private let stage: Stage
    private var graph = Graph()
    private var engine = Engine()
    private var lines = JSONLines()
    private var out: ByteWriter
    private(set) var events: UInt64 = 0
    /// A sum over all events, so that the compiler cannot optimise their decoding away.
    private(set) var check: UInt64 = 0
    private(set) var findings: UInt64 = 0

    init(_ stage: Stage) {
        self.stage = stage
        var total: UInt64 = 0
        out = ByteWriter { total &+= UInt64($0.count) }
        engine.configure(&graph)
    }

    var written: UInt64 { out.total }
    var mappings: Int { graph.containers.map { graph.mappingCount(in: $0.id) }.reduce(0, +) }

    mutating func begin(_ session: Session?) {
        if stage == .write, let session { lines.begin(session, devices: [], into: &out) }
    }

    @inline(__always)
    mutating func follow(_ record: UnsafeRawPointer, _ count: Int, _ decoder: inout RecordDecoder) {
        events &+= 1
        if let plain = decoder.plain(record, count: count) {
            switch stage {
            case .scan:
                check &+= plain.iova
                return
            case .graph: if graph.apply(plain) != nil { return }
            default:
                engine.advance(to: plain.time, graph: graph) { _ in findings += 1 }
                if let change = graph.apply(plain) {
                    if stage == .write {
                        lines.plain(plain, PlainRecord.Details(plain, at: record), graph: graph, into: &out)
                    }
                    engine.apply(plain, change: change, graph: graph) { _ in findings += 1 }
                    return
                }
            }
        }
        decoder.decode(record, count: count) { follow($0) }
    }

    @inline(never)
    mutating func follow(_ event: borrowing Event) {
        if stage == .scan || stage == .read {
            check &+= event.time
            return
        }
        if stage != .graph { engine.advance(to: event.time, graph: graph) { _ in findings += 1 } }
        let applied = graph.apply(event)
        if stage == .graph { return }
        if case .extent = event.kind { return }
        if stage == .write { lines.event(event, applied: applied, graph: graph, into: &out) }
        engine.apply(event, applied: applied, graph: graph) { _ in findings += 1 }
    }
}

/// `replay STAGE FILE`: processes one recording (for `read`, one timeline) from memory.
func replay(_ stage: Stage, _ path: String) throws -> Figures {
    let input = try MappedFile(path)
    var follower = Follower(stage)
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
    var reader = try RecordingReader(input.bytes, path: path)
    follower.begin(reader.session)
    var decoder = RecordDecoder()
    reader.forEach { record, count in
        decoded &+= count
        follower.follow(record, count, &decoder)
    }
    let spent = cpuNanoseconds() - began
    return [
        ("events", Double(follower.events)), ("bytes", Double(decoded)), ("ns", Double(spent)),
        ("mappings", Double(follower.mappings)),
        ("findings", Double(follower.findings)), ("written", Double(follower.written)),
        ("check", Double(follower.check & 0xffff)),
    ]
}

/// `rules FILE`: measures the graph alone and the graph with rules, in turn, over records that have
/// been unpacked before. Nanoseconds for an event, the least of five runs.
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
            var follower = Follower(stage)
            var decoder = RecordDecoder()
            let began = cpuNanoseconds()
            unpacked.withUnsafeBufferPointer { words in
                var at = 0
                while at < words.count {
                    let count = Int(words[at])
                    follower.follow(UnsafeRawPointer(words.baseAddress! + at + 1), count, &decoder)
                    at += 1 + count >> 3
                }
            }
            best[stage] = min(best[stage] ?? .max, cpuNanoseconds() - began)
            findings = follower.findings
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
