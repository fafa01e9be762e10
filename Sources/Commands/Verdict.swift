import Events
import Findings
import MappingGraph
import Outputs

/// From what was found and how much was seen to the exit status.
package struct Verdict {
    package var worst: Severity?
    package var evidence: Evidence
    /// Losses; each one is made good if a snapshot has told the state after it.
    package var gaps: [Gap]
    package var spans: [EvidenceSpan]
    package var clockOffset: Int64
    /// Evidence with a gap does not do, even if the state after it is known.
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

    /// Whether what is known at the end is the kernel's state: nothing was lost, or a snapshot made
    /// up for it.
    private var isRecovered: Bool {
        evidence.defects.isEmpty && gaps.allSatisfy { $0.recovered != nil }
            && gaps.reduce(0) { $0 &+ $1.lost } >= evidence.lost
    }

    /// Findings come first: what was seen is wrong whatever else was lost. Then incomplete
    /// evidence, which a gate must not pass.
    package func status(failOn: Severity) -> ExitStatus {
        if let worst, worst >= failOn { return .findings }
        return evidence.isComplete || (!requiresComplete && isRecovered) ? .clean : .incomplete
    }

    /// For which time the evidence stands, and what is wrong with it, for stderr.
    package func explainEvidence(of name: String? = nil) {
        let prefix = name.map { "vfioscope: \($0): " } ?? "vfioscope: "
        if evidence.lost > 0 {
            say(
                "\(prefix)\(evidence.lost) of \(evidence.attempted) records were lost: "
                    + (isRecovered
                        ? "the state after each loss was read from the kernel, but not what happened within"
                        : "the evidence is incomplete"))
        }
        for defect in evidence.defects { say("\(prefix)\(defect)") }
        guard let first = spans.first, let last = spans.last else {
            return say("\(prefix)the evidence is complete for no time at all")
        }
        let inner = zip(spans, spans.dropFirst()).reduce(0) { $0 + ($1.1.from - $1.0.until) }
        let text = ByteWriter.gather { out in
            out.append("the evidence is complete from ")
            out.append(time: Int64(truncatingIfNeeded: first.from) &+ clockOffset)
            out.append(" to ")
            out.append(time: Int64(truncatingIfNeeded: last.until) &+ clockOffset)
            guard spans.count > 1 else { return }
            out.append(
                string: spans.count == 2 ? ", but for a gap of " : ", but for \(spans.count - 1) gaps of together ")
            out.append(duration: inner)
        }
        say(prefix + String(decoding: text, as: UTF8.self))
    }
}
