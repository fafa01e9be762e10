import Events
import Findings
import MappingGraph

/// A finding as a policy leaves it.
public struct JudgedFinding: Sendable {
    /// With the policy's severity.
    public var finding: Finding
    /// The reason for which it does not count, if there is one.
    public var suppressed: String?

    public init(_ finding: Finding, suppressed: String? = nil) {
        self.finding = finding
        self.suppressed = suppressed
    }
}

/// Applies a policy to the findings of one source of events, and counts what its entries did.
///
/// A pure function of the findings and the graph: the date is that of the finding, so a replay
/// gives the answer that the host gave. An `[[allow]]` comes before a `[[suppress]]`, both before
/// the severity; of several that match, the first in the file.
public struct PolicyJudge: Sendable {
    private enum Decision: Equatable {
        case report
        /// By an entry's index.
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
    /// Nanoseconds to add to a finding's time for Unix time; without it no suppression holds,
    /// because its day cannot be known.
    public var clockOffset: Int64?
    public private(set) var use: PolicyUse
    /// Of the findings that have not been resolved.
    private var decisions: [UInt32: Decision] = [:]

    public init(_ policy: Policy, clockOffset: Int64? = nil) {
        self.policy = policy
        self.clockOffset = clockOffset
        use = PolicyUse(policy)
    }

    /// nil for one that is allowed. Call for each that the engine emits, in that order. O(entries).
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
        // What was said to be open is also said to be over, and what was not is not.
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

    /// The end of the events, nanoseconds since boot: takes down what has expired by then.
    public mutating func finish(at time: UInt64) {
        if clockOffset == nil { return use.hasNoClock = policy.entries.contains { $0.effect != .allow } }
        for (index, entry) in policy.entries.enumerated() where !holds(entry, at: time) { use.expired.insert(index) }
    }
}
