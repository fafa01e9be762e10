// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import Glibc
import Outputs
import Pipeline
import Policies

/// Judges one recording or timeline while other threads judge others. Output is printed at the
/// file's turn.
package struct FileAudit {
    package let path: String
    package let policy: Policy?
    /// nil prints the findings as text.
    package let makeTimeline: ((OutputSink) -> LineWriter)?
    /// Whether the file's name is printed, because it is one of several.
    package let showsName: Bool
    package let failOn: Severity
    package let requiresComplete: Bool

    package init(
        path: String, policy: Policy?, makeTimeline: ((OutputSink) -> LineWriter)?, showsName: Bool, failOn: Severity,
        requiresComplete: Bool
    ) {
        self.path = path
        self.policy = policy
        self.makeTimeline = makeTimeline
        self.showsName = showsName
        self.failOn = failOn
        self.requiresComplete = requiresComplete
    }

    /// Returns once everything is printed.
    ///
    /// - Parameter awaitTurn: returns when all files before this one have been printed.
    package func run(awaitTurn: @escaping () -> Void) throws -> (status: ExitStatus, use: PolicyUse?) {
        let file = try InputFile(path)
        defer { file.unmap() }
        let sink = OutputSink(STDOUT_FILENO, name: "stdout", awaitTurn: awaitTurn)
        // If the file turns out to be unreadable half way, what was written until then is still
        // printed.
        defer { sink.flushAtTurn() }
        var findings = LatestFindings()
        var pipeline = AnalysisPipeline(
            observer: Analysis(output: makeTimeline?(sink), onFinding: { findings.record($0) }), policy: policy)
        let (session, seen) = try file.feed(&pipeline)
        let evidence = pipeline.finish(seen)
        let tally = pipeline.observer.tally
        let verdict = Verdict(
            pipeline, worst: tally.worst, evidence: evidence, session: session, requiresComplete: requiresComplete)
        if makeTimeline == nil {
            if showsName { sink.write("\(file.path)\n") }
            FindingList.write(findings.all, session: session, graph: pipeline.graph, to: sink)
            let summary = tally.summary
            sink.write(
                "\(tally.events) events, \(tally.maps) mappings made: \(summary.isEmpty ? "no findings" : summary)"
                    + (evidence.isComplete
                        ? "\n" : evidence.defects.isEmpty ? ", on evidence with gaps\n" : ", on incomplete evidence\n"))
        }
        try sink.finish()
        verdict.explainEvidence(of: showsName ? file.path : nil)
        return (verdict.status(failOn: failOn), pipeline.policyUse)
    }
}
