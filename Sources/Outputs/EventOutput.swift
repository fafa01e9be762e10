// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// A format that is written as things happen: a trace, an audit, the timeline.
///
/// Calls come in this order: `begin`; for every event `finding` for what fell due before it,
/// `event` after the graph has applied it, `finding` for what it changed; `end`. Output goes `into`
/// the writer, whole lines at a time.
public protocol EventOutput: Sendable {
    /// - Parameter devices: those known before the first event; the graph has them already.
    mutating func begin(_ session: Session, devices: [DeviceInfo], into out: inout ByteWriter)
    mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph, into out: inout ByteWriter)
    /// In place of `event`, for an ordinary record.
    mutating func ordinary(
        _ record: OrdinaryRecord, _ details: OrdinaryRecord.Details, applied: borrowing Applied, graph: borrowing Graph,
        into out: inout ByteWriter)
    /// - Parameter suppressed: the reason for which a policy does not count it.
    mutating func finding(_ finding: Finding, suppressed: String?, graph: borrowing Graph, into out: inout ByteWriter)
    mutating func end(_ evidence: Evidence, graph: borrowing Graph, into out: inout ByteWriter)
}

extension EventOutput {
    public mutating func ordinary(
        _ record: OrdinaryRecord, _ details: OrdinaryRecord.Details, applied: borrowing Applied, graph: borrowing Graph,
        into out: inout ByteWriter
    ) {
        event(Event(record, details), applied: applied, graph: graph, into: &out)
    }
}

/// A format that shows the graph as it stands at one moment.
public protocol GraphOutput: Sendable {
    /// - Parameters:
    ///   - findings: those open at that moment.
    ///   - time: the moment, nanoseconds since boot.
    func write(
        _ graph: borrowing Graph, findings: [Finding], at time: UInt64, session: Session, into out: inout ByteWriter)
}

/// What a user may ask of a format; a format ignores what does not concern it.
public struct OutputOptions: Sendable {
    /// Whether `vaddr` is written: it reveals the layout of an address space.
    public var showVaddr: Bool
    /// Whether text may hold terminal colours.
    public var colour: Bool

    public init(showVaddr: Bool = false, colour: Bool = false) {
        self.showVaddr = showVaddr
        self.colour = colour
    }
}
