// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Policies

/// Hands records and events to the graph, the rules and an observer. Live tracing, recordings and
/// timelines share it, and no other part knows the order.
///
/// For each event, `Engine.advance` reports the findings that fell due before it, judged by the
/// state until then. `Graph.apply` updates the graph. The observer receives the event.
/// `Engine.apply` judges what the event changed. All time is event time, so the same events lead to
/// the same lines, live or replayed.
public struct Pipeline<Observer: PipelineObserver & ~Copyable>: ~Copyable {
    @usableFromInline var decoder = RecordDecoder()
    @usableFromInline var currentGraph: Graph
    @usableFromInline var currentEngine: Engine
    /// Where findings go: to the policy first, then to the observer.
    @usableFromInline var reporter: Reporter<Observer>
    /// What the latest event changed in the graph.
    @usableFromInline var applied = Applied()
    @usableFromInline var latest: UInt64 = 0
    /// Whether the observer has received the session. That happens at the first event that is not a
    /// `deviceInfo`.
    @usableFromInline var hasBegun = false
    @usableFromInline var session: Session?
    @usableFromInline var initialDevices: [DeviceInfo] = []

    /// - Parameter policy: nil reports every finding as the rules judge it.
    public init(observer: consuming Observer, policy: Policy? = nil) {
        self.init(observer: observer, engine: policy.map { Engine($0) } ?? Engine(), policy: policy)
    }

    /// Creates a pipeline with the caller's rules and debounce.
    public init(observer: consuming Observer, engine: Engine, policy: Policy? = nil) {
        currentGraph = Graph()
        currentEngine = engine
        reporter = Reporter(observer: observer, judge: policy.map { PolicyJudge($0) })
        currentEngine.configure(&currentGraph)
    }

    public package(set) var graph: Graph {
        _read { yield currentGraph }
        _modify { yield &currentGraph }
    }

    public package(set) var engine: Engine {
        _read { yield currentEngine }
        _modify { yield &currentEngine }
    }

    public var observer: Observer {
        _read { yield reporter.observer }
        _modify { yield &reporter.observer }
    }

    /// The time of the latest event, nanoseconds since boot.
    public var lastTime: UInt64 { latest }
    /// What the policy's entries have matched so far; nil without a policy.
    public var policyUse: PolicyUse? { reporter.judge?.use }
    /// The number of records that were too short or of an unknown type.
    public var unknownRecords: UInt64 { decoder.unknownRecords }
    /// The longest time that a condition has to hold before it is reported, nanoseconds.
    public var longestDebounce: UInt64 { reporter.judge?.policy.longestDebounce ?? Engine.defaultDebounce }

    /// Sets what is known about the machine. Call this before the first event.
    public mutating func begin(_ session: Session) {
        self.session = session
        if let limit = session.mappingLimit { currentGraph.mappingLimit = Int(limit) }
        currentGraph.remapsInterrupts = session.remapsInterrupts
        reporter.judge?.clockOffset = session.clockOffset
    }

    /// Consumes a record as the ring delivers it and a recording stores it, unless it is later than
    /// `limit`. O(log *n*) in the mappings of its container for a map or an unmap.
    ///
    /// - Precondition: `record` points to `count` readable bytes, aligned to 8.
    @inlinable @inline(__always)
    public mutating func consume(_ record: UnsafeRawPointer, count: Int, until limit: UInt64 = .max) {
        if let ordinary = decoder.ordinary(record, count: count) {
            consume(ordinary, until: limit) { OrdinaryRecord.Details(ordinary, at: record) }
        } else if let event = decoder.decode(record, count: count) {
            consume(event, until: limit)
        }
    }

    /// Consumes an ordinary record, unless it is later than `limit`.
    ///
    /// - Parameter details: called only if the observer or a rule needs the details.
    @inlinable @inline(__always)
    public mutating func consume(
        _ record: OrdinaryRecord, until limit: UInt64 = .max, details: () -> OrdinaryRecord.Details
    ) {
        guard record.time <= limit else { return }
        if !hasBegun { beginObserver() }
        if record.time > latest { latest = record.time }
        Self.advance(&currentEngine, &reporter, currentGraph, to: record.time)
        currentGraph.apply(record, event: { Event(record, details()) }, into: &applied)
        reporter.observer.ordinary(record, details: details, applied: applied, graph: currentGraph)
        Self.judge(&currentEngine, &reporter, currentGraph, at: record.time, applied) { Event(record, details()) }
    }

    /// Consumes an event, unless it is later than `limit`.
    @inlinable @inline(never)
    public mutating func consume(_ event: Event, until limit: UInt64 = .max) {
        guard event.time <= limit else { return }
        if !hasBegun {
            // Devices that were found before any other event belong to the header.
            if case .deviceInfo(let info) = event.kind {
                initialDevices.append(info)
                _ = currentGraph.apply(event)
                return
            }
            beginObserver()
        }
        if event.time > latest { latest = event.time }
        Self.advance(&currentEngine, &reporter, currentGraph, to: event.time)
        currentGraph.apply(event, into: &applied)
        // An extent is a part of a map. The map's own event follows, and its targets include the
        // extent.
        if case .extent = event.kind { return }
        reporter.observer.event(event, applied: applied, graph: currentGraph)
        Self.judge(&currentEngine, &reporter, currentGraph, at: event.time, applied) { event }
    }

    /// Advances event time while no events arrive. Every event before `time` must have been
    /// consumed.
    public mutating func advance(to time: UInt64) {
        guard time > latest else { return }
        if !hasBegun { beginObserver() }
        latest = time
        Self.advance(&currentEngine, &reporter, currentGraph, to: time)
    }

    /// Lets the observer write the output that it has buffered.
    public mutating func flush() { reporter.observer.flush() }

    /// Ends the history: reports findings that are due, and returns the evidence with the defects
    /// that the events themselves reveal added.
    @discardableResult
    public mutating func finish(_ evidence: Evidence) -> Evidence {
        if !hasBegun { beginObserver() }
        var evidence = evidence
        evidence.ended = moment(evidence)
        for result in currentGraph.contradictions {
            let defect =
                "the kernel's state differed from what had been traced, at \(result.ended) ns since boot: "
                + "\(result.added) mappings more, \(result.removed) fewer, \(result.changed) other differences"
            if !evidence.defects.contains(defect) { evidence.defects.append(defect) }
        }
        for defect in unseen(graph) where !evidence.defects.contains(defect) { evidence.defects.append(defect) }
        Self.advance(&currentEngine, &reporter, currentGraph, to: evidence.ended)
        reporter.judge?.finish(at: evidence.ended)
        reporter.observer.end(evidence, graph: currentGraph)
        return evidence
    }

    /// The time at which the events end, nanoseconds since boot.
    public func moment(_ evidence: Evidence) -> UInt64 { evidence.ended == 0 ? latest : evidence.ended }

    @usableFromInline
    mutating func beginObserver() {
        hasBegun = true
        reporter.observer.begin(session ?? .unknown, devices: initialDevices)
    }

    // The engine and the reporter are lent separately: a closure over `self` would lend both at
    // once.

    @inlinable @inline(__always)
    static func advance(
        _ engine: inout Engine, _ reporter: inout Reporter<Observer>, _ graph: borrowing Graph, to time: UInt64
    ) {
        engine.advance(to: time, graph: graph) { reporter.report($0, graph) }
    }

    @inlinable @inline(__always)
    static func judge(
        _ engine: inout Engine, _ reporter: inout Reporter<Observer>, _ graph: borrowing Graph,
        at time: UInt64, _ applied: borrowing Applied, _ event: () -> Event
    ) {
        engine.apply(at: time, applied: applied, graph: graph, event: event) { reporter.report($0, graph) }
    }
}
