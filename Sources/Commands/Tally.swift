// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Policies

/// Counts events and findings, for the closing lines and the verdict.
package struct Tally {
    package private(set) var events: UInt64 = 0
    package private(set) var maps: UInt64 = 0
    package private(set) var findings = FindingLedger()

    package init() {}

    package mutating func count(_ event: Event) {
        events += 1
        if case .map(let map) = event.kind, map.result == 0, map.provenance == .observed, !map.vaddrOnly { maps += 1 }
    }

    package mutating func count(_ record: OrdinaryRecord) {
        events += 1
        if record.kind == .map { maps += 1 }
    }

    package mutating func count(_ judged: JudgedFinding) {
        findings.record(judged.finding, isSuppressed: judged.suppressed != nil)
    }

    package var worst: Severity? { findings.worst }

    /// `2 high, 1 info, 1 suppressed`, the worst first; empty if there are no findings.
    package var summary: String {
        let counts = Severity.allCases.reversed().map { (findings.count(of: $0), $0.name) }
        return (counts + [(findings.suppressedCount, "suppressed")]).filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
            .joined(separator: ", ")
    }

    /// Prints the closing line of a live command to stderr: events, findings and losses.
    package func report(lost: UInt64) {
        let findings = summary.isEmpty ? "no findings" : "findings: \(summary)"
        printLine("vfioscope: \(events) events, \(maps) mappings made, \(findings), \(lost) lost")
    }
}
