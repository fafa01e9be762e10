import Events
import Findings
import MappingGraph
import Outputs

/// Findings as `audit` and `run` print them: one block each, as they stood at the end, the most severe first.
enum FindingList {
    static func write(_ findings: [Finding], session: Session?, graph: borrowing Graph, to sink: OutputSink) {
        var text = TextLines(options: OutputOptions(colour: sink.isTerminal))
        var out = ByteWriter { sink.write($0) }
        text.clockOffset = session?.clockOffset ?? 0
        for finding in findings.sorted(by: { ($1.severity, $0.id) < ($0.severity, $1.id) }) { text.finding(finding, graph: graph, into: &out) }
        out.flush()
    }
}
