// SPDX-License-Identifier: Apache-2.0
/// Which findings count: each at the most severe that it has been, and apart from them those that a
/// policy suppresses.
///
/// A finding is recorded each time that it is reported: when it opens, changes and resolves. One
/// that has counted goes on counting, whatever a policy says of it later.
public struct FindingLedger: Sendable, Equatable {
    private var counted: [UInt32: Severity] = [:]
    private var suppressed: Set<UInt32> = []
    /// The most severe that any finding that counts has been; nil without one.
    public private(set) var worst: Severity?

    public init() {}

    /// Records a finding as it is reported. O(1).
    ///
    /// - Parameter isSuppressed: whether a policy says that it does not count.
    public mutating func record(_ finding: Finding, isSuppressed: Bool) {
        guard !isSuppressed else {
            if counted[finding.id] == nil { suppressed.insert(finding.id) }
            return
        }
        suppressed.remove(finding.id)
        counted[finding.id] = max(counted[finding.id] ?? .info, finding.severity)
        worst = max(worst ?? .info, finding.severity)
    }

    /// Findings that count.
    public var count: Int { counted.count }

    /// Findings that count, and whose highest severity is this one. O(findings).
    public func count(of severity: Severity) -> Int { counted.values.count { $0 == severity } }

    /// Findings that a policy suppresses, and that have never counted.
    public var suppressedCount: Int { suppressed.count }

    /// Whether a finding has been recorded before, suppressed or not. O(1).
    public func contains(_ id: UInt32) -> Bool { counted[id] != nil || suppressed.contains(id) }
}
