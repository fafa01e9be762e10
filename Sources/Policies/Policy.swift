// SPDX-License-Identifier: Apache-2.0
import Findings

/// What a site has decided about the rules and about single findings; docs/policy.md describes it.
///
/// A value without I/O. `PolicyReader` makes it from TOML, `PolicyJudge` applies it to findings.
public struct Policy: Sendable {
    /// The table `[rules.SLUG]`; nil keeps the rule's own setting.
    public struct RuleSettings: Sendable, Equatable {
        public var severity: Severity?
        public var isOff = false
        /// Nanoseconds.
        public var debounce: UInt64?
        public var threshold: Int64?

        public init() {}
    }

    /// One `[[allow]]` or `[[suppress]]`.
    public struct Entry: Sendable {
        public enum Effect: Sendable, Equatable {
            case allow
            /// Until the end of that day, UTC.
            case suppress(expires: PolicyDate)
        }

        public var effect: Effect
        public var matcher: Matcher
        public var reason: String
        /// Where the entry is in the file.
        public var place: SourcePlace
    }

    /// The debounce of rules that have none of their own, nanoseconds.
    public var debounce = Engine.defaultDebounce
    /// Settings by slug.
    public var rules: [String: RuleSettings] = [:]
    /// In the order of the file.
    public var entries: [Entry] = []

    public init() {}

    /// Reads a policy in TOML.
    ///
    /// - Parameter rules: the rules that it may name.
    /// - Throws: all its errors, or the first syntax error.
    public init(toml: some Collection<UInt8>, rules: [any Rule] = RuleRegistry.all) throws(PolicyErrors) {
        self = try PolicyReader.read(toml, rules: rules)
    }

    // MARK: For the engine

    /// The debounce of the rules that have one of their own, by slug, nanoseconds.
    public var durations: [String: UInt64] { rules.compactMapValues(\.debounce) }

    /// The longest time for which a condition may have to hold, nanoseconds.
    public var longestDebounce: UInt64 { max(debounce, durations.values.max() ?? 0) }

    /// The rules that are not off, with the policy's thresholds.
    public func configured(_ all: [any Rule] = RuleRegistry.all) -> [any Rule] {
        all.compactMap { rule in
            let settings = rules[rule.slug]
            if settings?.isOff == true { return nil }
            guard let value = settings?.threshold, var limited = rule as? any RuleWithThreshold else { return rule }
            limited.threshold.value = value
            return limited
        }
    }
}
