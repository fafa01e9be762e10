import Events
import Findings
import MappingGraph
import Policies

/// Sees a history as it passes through a pipeline: counts it, writes it down, or both.
///
/// The calls come in this order: `begin`; for every event `finding` for what fell due before it,
/// `event` or `ordinary`, and `finding` for what it changed; `end`.
public protocol PipelineObserver: ~Copyable {
    /// - Parameter devices: those known before the first event. The graph has them already.
    mutating func begin(_ session: Session, devices: [DeviceInfo])
    /// An event, after the graph has consumed it.
    mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph)
    /// An ordinary record, in place of its event.
    ///
    /// - Parameter details: what to print of it; made when asked for.
    mutating func ordinary(
        _ record: OrdinaryRecord, details: () -> OrdinaryRecord.Details, applied: borrowing Applied,
        graph: borrowing Graph)
    /// A finding that opened, changed or resolved, unless a policy allows it.
    mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph)
    mutating func end(_ evidence: Evidence, graph: borrowing Graph)
    /// Live, between events: what is held back goes out.
    mutating func flush()
}

extension PipelineObserver where Self: ~Copyable {
    public mutating func begin(_ session: Session, devices: [DeviceInfo]) {}
    public mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) {}
    @inlinable
    public mutating func ordinary(
        _ record: OrdinaryRecord, details: () -> OrdinaryRecord.Details, applied: borrowing Applied,
        graph: borrowing Graph
    ) {
        event(Event(record, details()), applied: applied, graph: graph)
    }
    public mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) {}
    public mutating func end(_ evidence: Evidence, graph: borrowing Graph) {}
    public mutating func flush() {}
}
