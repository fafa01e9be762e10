// SPDX-License-Identifier: Apache-2.0
import Findings

/// The engine as a policy configures it.
extension Engine {
    /// Uses the rules that the policy leaves on, and its debounce.
    public init(_ policy: Policy, rules: [any Rule] = RuleRegistry.all) {
        self.init(rules: policy.configured(rules), debounce: policy.debounce, durations: policy.durations)
    }
}
