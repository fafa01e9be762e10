// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Outputs
import Policies

/// The latest state of each finding, in the order of first appearance.
package struct LatestFindings {
    package private(set) var all: [JudgedFinding] = []
    private var position: [UInt32: Int] = [:]

    package init() {}

    package mutating func record(_ judged: JudgedFinding) {
        if let index = position[judged.finding.id] {
            all[index] = judged
        } else {
            position[judged.finding.id] = all.count
            all.append(judged)
        }
    }
}

/// Prints findings for `audit` and `run`: one block for each, in its final state. The most severe
/// come first, and those that a policy suppresses last.
package enum FindingList {
    package static func write(
        _ findings: [JudgedFinding], session: Session?, graph: borrowing Graph, to sink: OutputSink
    ) {
        var text = TextLines(options: OutputOptions(colour: sink.isTerminal))
        var out = ByteWriter { sink.write($0) }
        text.clockOffset = session?.clockOffset ?? 0
        func rank(_ judged: JudgedFinding) -> (Int, UInt8, UInt32) {
            (
                judged.suppressed == nil ? 0 : 1, Severity.critical.rawValue - judged.finding.severity.rawValue,
                judged.finding.id
            )
        }
        for judged in findings.sorted(by: { rank($0) < rank($1) }) {
            text.finding(judged.finding, suppressed: judged.suppressed, graph: graph, into: &out)
        }
        out.flush()
    }
}
