// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// A finding after a policy was applied to it.
public struct JudgedFinding: Sendable {
    /// With the policy's severity.
    public var finding: Finding
    /// Why it does not count; nil if it does.
    public var suppressed: String?

    public init(_ finding: Finding, suppressed: String? = nil) {
        self.finding = finding
        self.suppressed = suppressed
    }
}

/// Applies a policy to the findings of one source of events, and counts what its entries did.
///
/// A pure function of the findings and the graph: the date is the finding's, so a replay leads to
/// the same answer as the host did. `[[allow]]` is applied before `[[suppress]]`, and both before
/// the severity. If several entries match, the first one in the file applies.
public struct PolicyJudge: Sendable {
    private enum Decision: Equatable {
        case report
        /// The index of an entry.
        case allow(Int)
        case suppress(Int)

        var entry: Int? {
            switch self {
            case .report: nil
            case .allow(let index), .suppress(let index): index
            }
        }
    }

    public let policy: Policy
    /// Nanoseconds to add to a finding's time for Unix time. If nil, no suppression holds, because
    /// the finding's day is not known.
    public var clockOffset: Int64?
    public private(set) var use: PolicyUse
    /// Decisions about findings that have not resolved, by id.
    private var decisions: [UInt32: Decision] = [:]

    public init(_ policy: Policy, clockOffset: Int64? = nil) {
        self.policy = policy
        self.clockOffset = clockOffset
        use = PolicyUse(policy)
    }

    /// nil if the finding is allowed. Call it for each finding that the engine emits, in that
    /// order. O(entries).
    public mutating func judge(_ finding: Finding, graph: borrowing Graph) -> JudgedFinding? {
        let earlier = decisions[finding.id]
        let decision = decide(finding, earlier, graph)
        if finding.state == .resolved { decisions[finding.id] = nil } else { decisions[finding.id] = decision }
        if decision != earlier { use.move(from: earlier?.entry, to: decision.entry) }

        var judged = JudgedFinding(finding)
        if let severity = policy.rules[finding.rule]?.severity { judged.finding.severity = severity }
        switch decision {
        case .report: return judged
        case .allow: return nil
        case .suppress(let index):
            judged.suppressed = policy.entries[index].reason
            return judged
        }
    }

    private mutating func decide(_ finding: Finding, _ earlier: Decision?, _ graph: borrowing Graph) -> Decision {
        // A finding that was reported as open is also reported as resolved; one that was not is
        // not.
        if finding.state == .resolved, let earlier,
            earlier.entry.map({ holds(policy.entries[$0], at: finding.time) }) ?? true
        {
            return earlier
        }
        let subject = PolicySubject(finding, graph: graph)
        let matching = policy.entries.indices.filter { policy.entries[$0].matcher.matches(subject) }
        use.matched.formUnion(matching)
        let isShown =
            switch earlier {
            case .report, .suppress: true
            case .allow, nil: false
            }
        if !isShown, let index = matching.first(where: { policy.entries[$0].effect == .allow }) { return .allow(index) }
        let suppression = matching.first {
            policy.entries[$0].effect != .allow && holds(policy.entries[$0], at: finding.time)
        }
        return suppression.map { .suppress($0) } ?? .report
    }

    /// Whether the entry has not expired.
    private func holds(_ entry: Policy.Entry, at time: UInt64) -> Bool {
        guard case .suppress(let expires) = entry.effect else { return true }
        guard let clockOffset else { return false }
        return !expires.isOver(at: Int64(truncatingIfNeeded: time) &+ clockOffset)
    }

    /// Records which entries have expired at `time`, the end of the events, nanoseconds since boot.
    public mutating func finish(at time: UInt64) {
        if clockOffset == nil { return use.hasNoClock = policy.entries.contains { $0.effect != .allow } }
        for (index, entry) in policy.entries.enumerated() where !holds(entry, at: time) { use.expired.insert(index) }
    }
}
