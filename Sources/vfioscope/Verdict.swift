import ArgumentParser
import Events
import Findings

/// From what was found and how much was seen to the exit status.
struct Verdict {
    var worst: Severity?
    var evidence: Evidence

    /// Findings come first: what was seen is wrong whatever else was lost. Then incomplete evidence, which a gate must not pass.
    func status(failOn: Severity) -> ExitStatus {
        if let worst, worst >= failOn { return .findings }
        return evidence.isComplete ? .clean : .incomplete
    }

    /// What was lost, for stderr; nothing when nothing was.
    func explainEvidence() {
        if evidence.lost > 0 { say("vfioscope: \(evidence.lost) of \(evidence.attempted) records were lost: the evidence is incomplete") }
        for defect in evidence.defects { say("vfioscope: \(defect)") }
    }
}

struct FailOnOption: ParsableArguments {
    @Option(name: .customLong("fail-on"), help: ArgumentHelp("End with 1 when a finding is at least this severe: info, low, medium, high or critical.", valueName: "severity"))
    var severity: Severity = .high
}

extension Severity: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public var defaultValueDescription: String { name }
    public static var allValueStrings: [String] { allCases.map(\.name) }
}
