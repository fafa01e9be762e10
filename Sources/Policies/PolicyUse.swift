// SPDX-License-Identifier: Apache-2.0
/// What the entries of a policy did to the findings of one or several sources of events, for
/// stderr.
public struct PolicyUse: Sendable {
    /// How many findings each entry decided, by its index; each finding counts once.
    public private(set) var findings: [Int]
    /// Entries that had expired when the events ended.
    public internal(set) var expired: Set<Int> = []
    /// Entries that a finding matched, whether or not they decided it.
    var matched: Set<Int> = []
    /// Whether the date of the events is unknown although there are suppressions.
    public internal(set) var hasNoClock = false

    public init(_ policy: Policy) { findings = Array(repeating: 0, count: policy.entries.count) }

    mutating func move(from old: Int?, to new: Int?) {
        if let old { findings[old] -= 1 }
        if let new { findings[new] += 1 }
    }

    /// Adds what the same policy did to another source.
    public mutating func add(_ other: PolicyUse) {
        for index in findings.indices { findings[index] += other.findings[index] }
        expired.formUnion(other.expired)
        matched.formUnion(other.matched)
        hasNoClock = hasNoClock || other.hasNoClock
    }

    /// Lines for people, in the order of the file.
    ///
    /// - Parameters:
    ///   - name: the policy's file name.
    ///   - reportsUnused: whether to report entries that matched nothing.
    public func notes(_ policy: Policy, name: String, reportsUnused: Bool) -> [String] {
        var lines: [String] = []
        let off = policy.rules.filter(\.value.isOff).keys.sorted()
        if !off.isEmpty { lines.append("rules turned off by \(name): \(off.joined(separator: ", "))") }
        if hasNoClock { lines.append("\(name): the date of the events is not known: no suppression holds") }
        for (index, entry) in policy.entries.enumerated() {
            let count = findings[index]
            let what = entry.effect == .allow ? "allowed" : "suppressed"
            if count > 0 {
                lines.append(
                    "\(count) finding\(count == 1 ? "" : "s") \(what) by \(name):\(entry.place.line) (\(entry.reason))")
            }
            if expired.contains(index), case .suppress(let expires) = entry.effect {
                lines.append(
                    "\(name):\(entry.place.line): this suppression has expired: its last day was \(expires) "
                        + "(\(entry.reason))"
                        + (matched.contains(index) ? "; what it matches counts again" : ""))
            } else if reportsUnused, !matched.contains(index), !hasNoClock || entry.effect == .allow {
                lines.append(
                    "\(name):\(entry.place.line): note: this \(entry.effect == .allow ? "allow" : "suppression") "
                        + "matched nothing (\(entry.reason))"
                )
            }
        }
        return lines
    }
}
