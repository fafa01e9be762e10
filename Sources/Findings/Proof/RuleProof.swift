// SPDX-License-Identifier: Apache-2.0
/// What shows that a rule does what it claims: one history on which it fires, and the nearest one
/// on which it is silent.
///
/// `RuleProofTests` runs both through the graph and all rules; `make docs` writes both into the
/// rule's page. Nothing else runs them, so they cost the tool no time.
public struct RuleProof: Sendable {
    /// The rule opens a finding of the example's severity.
    public let fires: Example
    /// The near miss: the rule opens nothing.
    public let silent: Example

    public init(fires: Example, silent: Example) {
        self.fires = fires
        self.silent = silent
    }

    public struct Example: Sendable {
        /// What happens, in a sentence for people.
        public let story: String
        /// The finding's severity; nil for a near miss.
        public let severity: Severity?
        private let build: @Sendable (inout HostHistory) -> Void

        /// - Parameter build: adds the story's events to an empty history.
        public init(
            _ story: String, severity: Severity? = nil, build: @escaping @Sendable (inout HostHistory) -> Void
        ) {
            self.story = story
            self.severity = severity
            self.build = build
        }

        /// The story's events. O(events).
        public var history: HostHistory {
            var history = HostHistory()
            build(&history)
            return history
        }
    }
}
