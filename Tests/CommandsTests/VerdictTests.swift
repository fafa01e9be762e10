// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Pipeline
import TestSupport
import Testing

@testable import Commands

/// Tests which exit status follows from findings and evidence.
@Suite("Verdicts and exit statuses")
struct VerdictTests {
    private func verdict(
        _ events: [Event] = [], worst: Severity? = nil, lost: UInt64 = 0, defects: [String] = [],
        requiresComplete: Bool = false
    ) -> Commands.Verdict {
        var pipeline = AnalysisPipeline(observer: Analysis())
        for event in events { pipeline.consume(event) }
        let evidence = pipeline.finish(
            Evidence(attempted: 10, delivered: 10 - lost, lost: lost, ended: 100, defects: defects))
        return Commands.Verdict(
            pipeline, worst: worst, evidence: evidence, session: nil, requiresComplete: requiresComplete)
    }

    private let loss = [Event(time: 20, kind: .loss(since: 10, lost: 3))]
    private var recovered: [Event] {
        loss + [Event(time: 30, kind: .snapshotBegin), Event(time: 40, kind: .snapshotEnd)]
    }

    @Test func findingsCountFromTheirSeverityOn() {
        #expect(verdict(worst: .high).status(failOn: .high) == .findings)
        #expect(verdict(worst: .medium).status(failOn: .high) == .clean)
        #expect(verdict().status(failOn: .info) == .clean)
    }

    @Test func incompleteEvidenceNeverPasses() {
        #expect(verdict(loss, lost: 3).status(failOn: .high) == .incomplete)
        #expect(verdict(defects: ["cut short"]).status(failOn: .high) == .incomplete)
        #expect(verdict(loss, worst: .high, lost: 3).status(failOn: .high) == .findings)
    }

    @Test func aSnapshotRecoversALoss() {
        #expect(verdict(recovered, lost: 3).status(failOn: .high) == .clean)
        #expect(verdict(recovered, lost: 3, requiresComplete: true).status(failOn: .high) == .incomplete)
        // More was lost than the events report.
        #expect(verdict(recovered, lost: 4).status(failOn: .high) == .incomplete)
    }

    @Test func statusesAreTheDocumentedNumbers() {
        let statuses: [Commands.ExitStatus] = [.clean, .findings, .usage, .cannot, .incomplete, .command(7)]
        #expect(statuses.map(\.code) == [0, 1, 2, 3, 4, 7])
    }

    @Test func severalInputsEndWithTheWorst() {
        #expect(Commands.ExitStatus.clean.combined(with: .incomplete) == .incomplete)
        #expect(Commands.ExitStatus.incomplete.combined(with: .clean) == .incomplete)
        #expect(Commands.ExitStatus.incomplete.combined(with: .findings) == .findings)
        #expect(Commands.ExitStatus.findings.combined(with: .incomplete) == .findings)
        #expect(Commands.ExitStatus.clean.combined(with: .clean) == .clean)
    }
}
