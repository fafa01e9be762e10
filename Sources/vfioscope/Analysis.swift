import Events
import Findings
import MappingGraph
import Outputs
import Policies

/// From events to graph, findings and lines: what live tracing, recordings and timelines share.
///
/// Before an event changes the graph, findings whose debounce ended by then are said: so the same
/// events give the same lines, live or replayed. A class, because callbacks of the ring reach it.
final class Analysis {
    private(set) var graph = Graph()
    private(set) var engine: Engine
    /// nil without a policy.
    private(set) var judge: PolicyJudge?
    private(set) var tally = Tally()
    private let output: LineOutput?
    private let filter: FilterOptions?
    private let showsAll: Bool
    /// Called with each finding that is not allowed, opened, changed or resolved.
    var onFinding: (JudgedFinding) -> Void = { _ in }

    private var session: Session?
    private var initialDevices: [DeviceInfo] = []
    private var hasBegun = false
    private(set) var lastTime: UInt64 = 0

    init(output: LineOutput?, filter: FilterOptions? = nil, policy: Policy? = nil) {
        self.output = output
        self.filter = filter
        showsAll = output == nil || filter?.isEmpty ?? true
        engine = policy.map { Engine($0) } ?? Engine()
        judge = policy.map { PolicyJudge($0) }
        engine.configure(&graph)
    }

    /// The longest time that a condition may have to hold before it is said, nanoseconds.
    var longestDebounce: UInt64 { judge?.policy.longestDebounce ?? Engine.defaultDebounce }

    /// Says what is known of the machine; call before the first event.
    func begin(_ session: Session) {
        self.session = session
        if let limit = session.mappingLimit { graph.mappingLimit = Int(limit) }
        graph.remapsInterrupts = session.remapsInterrupts
        judge?.clockOffset = session.clockOffset
    }

    /// Takes in a record as the ring delivers and a recording stores it, unless it is later than
    /// `limit`.
    func consume(_ record: UnsafeRawPointer, count: Int, _ decoder: inout RecordDecoder, until limit: UInt64 = .max) {
        if hasBegun, showsAll, let plain = decoder.plain(record, count: count), plain.time <= limit,
            take(plain, at: record)
        {
            return
        }
        decoder.decode(record, count: count) { if $0.time <= limit { consume($0) } }
    }

    /// Takes in a timeline's plain record, unless it is later than `limit`; false if its event is
    /// needed: whoever prints it needs more than it has.
    @inline(__always)
    func consume(_ plain: PlainRecord, until limit: UInt64) -> Bool {
        output == nil && hasBegun && plain.time <= limit && take(plain, at: nil)
    }

    /// Graph, rules and lines need no event of a plain record; a filter does. Lines need its
    /// details, which are at `record`.
    @inline(__always)
    private func take(_ plain: PlainRecord, at record: UnsafeRawPointer?) -> Bool {
        engine.advance(to: plain.time, graph: graph) { report($0) }
        guard let change = graph.apply(plain) else { return false }
        lastTime = max(lastTime, plain.time)
        tally.count(plain)
        if let record { output?.plain(plain, at: record, graph: graph) }
        engine.apply(plain, change: change, graph: graph) { report($0) }
        return true
    }

    func consume(_ event: borrowing Event) {
        if !hasBegun {
            // Devices found before anything happened belong to the header.
            if case .deviceInfo(let info) = event.kind {
                initialDevices.append(info)
                _ = graph.apply(event)
                return
            }
            writeHeader()
        }
        lastTime = max(lastTime, event.time)
        engine.advance(to: event.time, graph: graph) { report($0) }
        let applied = graph.apply(event)
        if case .extent = event.kind { return }
        tally.count(event)
        if output != nil, filter?.shows(event, applied, graph) ?? true {
            output?.event(event, applied: applied, graph: graph)
        }
        engine.apply(event, applied: applied, graph: graph) { report($0) }
    }

    /// Lets event time pass while nothing happens.
    func advance(to time: UInt64) {
        guard time > lastTime else { return }
        if !hasBegun { writeHeader() }
        lastTime = time
        engine.advance(to: time, graph: graph) { report($0) }
    }

    /// Gives the evidence with what the events themselves show to be wrong with it.
    @discardableResult
    func finish(_ evidence: Evidence) -> Evidence {
        if !hasBegun { writeHeader() }
        var evidence = evidence
        evidence.ended = moment(evidence)
        for result in graph.contradictions {
            let defect =
                "the kernel's state differed from what had been traced, at \(result.ended) ns since boot: "
                + "\(result.added) mappings more, "
                + "\(result.removed) fewer, \(result.changed) other differences"
            if !evidence.defects.contains(defect) { evidence.defects.append(defect) }
        }
        engine.finish(at: evidence.ended, graph: graph) { report($0) }
        judge?.finish(at: evidence.ended)
        output?.end(evidence: evidence, graph: graph)
        return evidence
    }

    /// The moment at which the events end.
    func moment(_ evidence: Evidence) -> UInt64 { evidence.ended == 0 ? lastTime : evidence.ended }

    func flush() { output?.flush() }

    private func writeHeader() {
        hasBegun = true
        let unknown = Session(
            toolVersion: toolVersion, kernel: "", machine: "", bootID: "", clockOffset: 0, began: 0, hooks: [])
        output?.begin(session: session ?? unknown, devices: initialDevices)
    }

    private func report(_ emitted: Finding) {
        guard let judged = judge == nil ? JudgedFinding(emitted) : judge!.judge(emitted, graph: graph) else { return }
        tally.count(judged)
        onFinding(judged)
        guard output != nil else { return }
        let finding = judged.finding
        let subject = FindingSubject(
            actor: finding.actor, deviceOwner: finding.deviceOwner, container: finding.container, device: finding.device
        )
        if filter?.shows(subject, graph) ?? true { output?.finding(judged, graph: graph) }
    }
}

/// What was seen, for the closing lines and the verdict.
struct Tally {
    private(set) var events: UInt64 = 0
    private(set) var maps: UInt64 = 0
    private(set) var findings = FindingLedger()

    mutating func count(_ event: Event) {
        events += 1
        if case .map(let map) = event.kind, map.result == 0, map.provenance == .observed, !map.vaddrOnly { maps += 1 }
    }

    mutating func count(_ plain: PlainRecord) {
        events += 1
        if plain.kind == .map { maps += 1 }
    }

    mutating func count(_ judged: JudgedFinding) {
        findings.record(judged.finding, isSuppressed: judged.suppressed != nil)
    }

    var worst: Severity? { findings.worst }

    /// `2 high, 1 info, 1 suppressed`, the worst first; empty when there is none.
    var summary: String {
        let counts = Severity.allCases.reversed().map { severity in
            (findings.count(of: severity), severity.name)
        }
        return (counts + [(findings.suppressedCount, "suppressed")]).filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
            .joined(
                separator: ", ")
    }
}
