// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
import Outputs
import Policies

/// Writes events and findings to a sink in a stream format.
package struct LineOutput: ~Copyable {
    private var format: any EventOutput
    private var out: ByteWriter

    package init(_ format: any EventOutput, to sink: OutputSink) {
        self.format = format
        out = ByteWriter { sink.write($0) }
    }

    package mutating func begin(session: Session, devices: [DeviceInfo]) {
        format.begin(session, devices: devices, into: &out)
    }
    package mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) {
        format.event(event, applied: applied, graph: graph, into: &out)
    }
    package mutating func ordinary(
        _ record: OrdinaryRecord, _ details: OrdinaryRecord.Details, applied: borrowing Applied, graph: borrowing Graph
    ) {
        format.ordinary(record, details, applied: applied, graph: graph, into: &out)
    }

    package mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) {
        format.finding(judged.finding, suppressed: judged.suppressed, graph: graph, into: &out)
    }

    package mutating func flush() { out.flush() }

    package mutating func end(evidence: Evidence, graph: borrowing Graph) {
        format.end(evidence, graph: graph, into: &out)
        out.flush()
    }
}
