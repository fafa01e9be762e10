// SPDX-License-Identifier: Apache-2.0
import Findings
import Testing

/// The registry lists each rule once, under a name that is found.
@Suite struct RegistryTests {
    @Test func slugsAreUniqueAndWellFormed() {
        let slugs = RuleRegistry.all.map(\.slug)
        #expect(Set(slugs).count == slugs.count)
        for slug in slugs {
            #expect(slug.utf8.allSatisfy { ($0 >= 0x61 && $0 <= 0x7a) || $0 == 0x2d }, "\(slug)")
            #expect(RuleRegistry.rule(slug)?.slug == slug)
        }
        #expect(RuleRegistry.rule("stale") == nil)
    }

    @Test func everyRuleExplainsItself() {
        for rule in RuleRegistry.all {
            for text in [rule.title, rule.condition, rule.severityNote, rule.kernels] {
                #expect(!text.isEmpty && !text.hasSuffix(".") && !text.contains("|"), "\(rule.slug): \(text)")
            }
            #expect(rule.explanation.contains("\n\n") && rule.explanation.contains("alse positive"), "\(rule.slug)")
            #expect(!rule.kernelFacts.isEmpty && !rule.advice.isEmpty)
        }
    }
}
