// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Outputs

/// Derives the exit status from the findings and the evidence.
package struct Verdict {
    package var worst: Severity?
    package var evidence: Evidence
    /// Losses. A loss is recovered when a snapshot has read the state after it.
    package var gaps: [Gap]
    package var spans: [EvidenceSpan]
    package var clockOffset: Int64
    /// Evidence with a gap does not suffice, even if the state after the gap is known.
    package var requiresComplete: Bool

    package init(
        _ pipeline: borrowing AnalysisPipeline, worst: Severity?, evidence: Evidence, session: Session?,
        requiresComplete: Bool = false
    ) {
        self.worst = worst
        self.evidence = evidence
        gaps = pipeline.graph.gaps
        spans = pipeline.graph.evidenceSpans(began: session?.began ?? 0, ended: pipeline.moment(evidence))
        clockOffset = session?.clockOffset ?? 0
        self.requiresComplete = requiresComplete
    }

    /// Whether the graph equals the kernel's state at the end: nothing was lost, or a snapshot
    /// followed each loss.
    private var isRecovered: Bool {
        evidence.defects.isEmpty && gaps.allSatisfy { $0.recovered != nil }
            && gaps.reduce(0) { $0 &+ $1.lost } >= evidence.lost
    }

    /// Findings take precedence: they hold whatever else was lost. Next comes incomplete evidence,
    /// which must not pass a gate.
    package func status(failOn: Severity) -> ExitStatus {
        if let worst, worst >= failOn { return .findings }
        return evidence.isComplete || (!requiresComplete && isRecovered) ? .clean : .incomplete
    }

    /// Reports on stderr for which time the evidence is complete, and its defects.
    package func explainEvidence(of name: String? = nil) {
        let prefix = name.map { "vfioscope: \($0): " } ?? "vfioscope: "
        if evidence.lost > 0 {
            printLine(
                "\(prefix)\(evidence.lost) of \(evidence.attempted) records were lost: "
                    + (isRecovered
                        ? "the state after each loss was read from the kernel, but what happened meanwhile is unknown"
                        : "the evidence is incomplete"))
        }
        for defect in evidence.defects { printLine("\(prefix)\(defect)") }
        guard let first = spans.first, let last = spans.last else {
            return printLine("\(prefix)there is no time for which the evidence is complete")
        }
        let inner = zip(spans, spans.dropFirst()).reduce(0) { $0 + ($1.1.from - $1.0.until) }
        let text = ByteWriter.gather { out in
            out.append("the evidence is complete from ")
            out.append(time: Int64(truncatingIfNeeded: first.from) &+ clockOffset)
            out.append(" to ")
            out.append(time: Int64(truncatingIfNeeded: last.until) &+ clockOffset)
            guard spans.count > 1 else { return }
            out.append(
                string: spans.count == 2 ? ", except for a gap of " : ", except for \(spans.count - 1) gaps, ")
            out.append(duration: inner)
            if spans.count > 2 { out.append(" in total") }
        }
        printLine(prefix + String(decoding: text, as: UTF8.self))
    }
}
