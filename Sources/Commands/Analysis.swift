// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Outputs
import Pipeline
import Policies

/// The observer of every command: counts events and findings, and writes the lines that a filter
/// lets pass.
package struct Analysis: PipelineObserver, ~Copyable {
    package private(set) var tally = Tally()
    private var output: LineWriter?
    /// nil shows everything.
    private let filter: Filter?
    /// Called with each finding that opened, changed or resolved, unless a policy allows it.
    package var onFinding: (JudgedFinding) -> Void

    /// - Parameter output: nil writes nothing.
    package init(
        output: consuming LineWriter? = nil, filter: Filter? = nil,
        onFinding: @escaping (JudgedFinding) -> Void = { _ in }
    ) {
        self.output = output
        self.filter = filter
        self.onFinding = onFinding
    }

    package mutating func begin(_ session: Session, devices: [DeviceInfo]) {
        output?.begin(session, devices: devices)
    }

    package mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) {
        tally.count(event)
        guard output != nil, filter?.shows(event, applied, graph) ?? true else { return }
        output!.event(event, applied: applied, graph: graph)
    }

    package mutating func ordinary(
        _ record: OrdinaryRecord, details: () -> OrdinaryRecord.Details, applied: borrowing Applied,
        graph: borrowing Graph
    ) {
        tally.count(record)
        guard output != nil, filter?.shows(Event(record, details()), applied, graph) ?? true else { return }
        output!.ordinary(record, details: details, applied: applied, graph: graph)
    }

    package mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) {
        tally.count(judged)
        onFinding(judged)
        guard output != nil, filter?.shows(judged.finding, graph) ?? true else { return }
        output!.finding(judged, graph: graph)
    }

    package mutating func end(_ evidence: Evidence, graph: borrowing Graph) {
        output?.end(evidence, graph: graph)
    }

    package mutating func flush() { output?.flush() }
}

/// The pipeline of every command.
package typealias AnalysisPipeline = Pipeline<Analysis>
