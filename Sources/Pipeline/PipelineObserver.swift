// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Policies

/// Receives the events and findings of a pipeline, to count or to write them.
///
/// The calls come in this order: `begin`; for every event `finding` for each finding that fell due
/// before it, then `event` or `ordinary`, then `finding` for each finding that it changed; `end`.
public protocol PipelineObserver: ~Copyable {
    /// - Parameter devices: those known before the first event. The graph already contains them.
    mutating func begin(_ session: Session, devices: [DeviceInfo])
    /// An event, after the graph has consumed it.
    mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph)
    /// An ordinary record, in place of its event.
    ///
    /// - Parameter details: returns what else can be printed of it.
    mutating func ordinary(
        _ record: OrdinaryRecord, details: () -> OrdinaryRecord.Details, applied: borrowing Applied,
        graph: borrowing Graph)
    /// A finding that opened, changed or resolved, unless a policy allows it.
    mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph)
    mutating func end(_ evidence: Evidence, graph: borrowing Graph)
    /// Writes buffered output. Called between events while tracing live.
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

/// Observes nothing, for whoever wants only the graph and the open findings.
public struct NoObserver: PipelineObserver {
    public init() {}
}
