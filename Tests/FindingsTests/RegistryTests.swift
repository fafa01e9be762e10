import Findings
import TestSupport
import Testing

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
            #expect(!rule.title.isEmpty && !rule.title.hasSuffix("."))
            #expect(rule.explanation.contains("\n\n") && rule.explanation.contains("alse positive"), "\(rule.slug)")
            #expect(!rule.kernelFacts.isEmpty && !rule.advice.isEmpty)
            for text in [rule.explanation, rule.advice] {
                for line in text.split(separator: "\n") { #expect(line.count < 110, "\(rule.slug): \(line)") }
            }
        }
    }
}
