// SPDX-License-Identifier: Apache-2.0
/// A rule with a limit that a policy may set.
public protocol RuleWithThreshold: Rule {
    var threshold: Threshold { get set }
}

/// A limit, and the values that it may have.
public struct Threshold: Sendable, Equatable {
    /// What it counts, for messages: `percent`.
    public var unit: String
    /// The values that a policy may set, both ends inclusive.
    public var allowed: ClosedRange<Int64>
    public var value: Int64

    /// - Precondition: `allowed` contains `value`.
    public init(_ value: Int64, unit: String, allowed: ClosedRange<Int64>) {
        precondition(allowed.contains(value))
        self.value = value
        self.unit = unit
        self.allowed = allowed
    }
}
