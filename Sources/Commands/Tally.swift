import Events
import Findings
import MappingGraph
import Policies

/// What was seen, for the closing lines and the verdict.
package struct Tally {
    package private(set) var events: UInt64 = 0
    package private(set) var maps: UInt64 = 0
    package private(set) var worst: Severity?
    /// The most severe that each finding has been.
    package private(set) var findings: [UInt32: Severity] = [:]
    /// Those that a policy suppresses: they do not count.
    package private(set) var suppressed: Set<UInt32> = []

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
        let finding = judged.finding
        guard judged.suppressed == nil else {
            // A finding that has counted goes on doing so.
            if findings[finding.id] == nil { suppressed.insert(finding.id) }
            return
        }
        suppressed.remove(finding.id)
        findings[finding.id] = max(findings[finding.id] ?? .info, finding.severity)
        worst = max(worst ?? .info, finding.severity)
    }

    /// `2 high, 1 info, 1 suppressed`, the worst first; empty when there is none.
    package var summary: String {
        let counts = Severity.allCases.reversed().map { severity in
            (findings.values.count { $0 == severity }, severity.name)
        }
        return (counts + [(suppressed.count, "suppressed")]).filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(
            separator: ", ")
    }
}
