import Events
import MappingGraph
import Outputs
import Policies

/// A stream format on its way to a sink.
package final class LineOutput {
    private var format: any EventOutput
    private var out: ByteWriter

    package init(_ format: any EventOutput, to sink: OutputSink) {
        self.format = format
        out = ByteWriter { sink.write($0) }
    }

    package func begin(session: Session, devices: [DeviceInfo]) { format.begin(session, devices: devices, into: &out) }
    package func event(_ event: Event, applied: Applied, graph: borrowing Graph) {
        format.event(event, applied: applied, graph: graph, into: &out)
    }
    package func ordinary(_ record: OrdinaryRecord, applied: Applied, graph: borrowing Graph) {
        format.ordinary(record, applied: applied, graph: graph, into: &out)
    }

    package func finding(_ judged: JudgedFinding, graph: borrowing Graph) {
        format.finding(judged.finding, suppressed: judged.suppressed, graph: graph, into: &out)
    }

    package func flush() { out.flush() }

    package func end(evidence: Evidence, graph: borrowing Graph) {
        format.end(evidence, graph: graph, into: &out)
        out.flush()
    }
}
