import ArgumentParser
import Events
import Findings
import MappingGraph
import Outputs

/// From what was found and how much was seen to the exit status.
struct Verdict {
    var worst: Severity?
    var evidence: Evidence
    /// Losses; each one is made good if a snapshot has told the state after it.
    var gaps: [Gap]
    var spans: [EvidenceSpan]
    var clockOffset: Int64
    /// Evidence with a gap does not do, even if the state after it is known.
    var requiresComplete: Bool

    init(_ analysis: Analysis, worst: Severity?, evidence: Evidence, session: Session?, requiresComplete: Bool = false)
    {
        self.worst = worst
        self.evidence = evidence
        gaps = analysis.graph.gaps
        spans = analysis.graph.evidenceSpans(began: session?.began ?? 0, ended: analysis.moment(evidence))
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
    func status(failOn: Severity) -> ExitStatus {
        if let worst, worst >= failOn { return .findings }
        return evidence.isComplete || (!requiresComplete && isRecovered) ? .clean : .incomplete
    }

    /// For which time the evidence stands, and what is wrong with it, for stderr.
    func explainEvidence(of name: String? = nil) {
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

struct FailOnOption: ParsableArguments {
    @Option(
        name: .customLong("fail-on"),
        help: ArgumentHelp(
            "End with 1 when a finding is at least this severe: info, low, medium, high or critical.",
            valueName: "severity"))
    var severity: Severity = .high
    @Flag(help: "End with 4 when anything was lost, even if the state after it could be read from the kernel.")
    var requireComplete = false
}

extension Severity: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public var defaultValueDescription: String { name }
    public static var allValueStrings: [String] { allCases.map(\.name) }
}
