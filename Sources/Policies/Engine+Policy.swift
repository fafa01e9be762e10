import Findings

extension Engine {
    /// With the rules that the policy leaves on, and its debounce.
    public init(_ policy: Policy, rules: [any Rule] = RuleRegistry.all) {
        // `policy.durations` goes here too, once the engine takes one for each rule.
        self.init(rules: policy.configured(rules), debounce: policy.debounce)
    }
}
