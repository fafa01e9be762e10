// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// Every rule's proof, on all rules: it fires on the one history and not on the other.
@Suite struct RuleProofTests {
    @Test(arguments: RuleRegistry.all.map(\.slug)) func firesAndIsSilent(slug: String) throws {
        let rule = try #require(RuleRegistry.rule(slug))
        let opened = Host(rule.proof.fires.history).findings.first { $0.rule == slug && $0.state == .open }
        let finding = try #require(opened, "silent on: \(rule.proof.fires.story)")
        #expect(finding.severity == rule.proof.fires.severity)
        expectComplete(finding, of: rule)

        let silent = Host(rule.proof.silent.history)
        #expect(!silent.history.isEmpty)
        #expect(!silent.reported.contains { $0.hasPrefix(slug + " ") }, "fires on: \(rule.proof.silent.story)")
    }

    /// The fields that docs/rules.md promises.
    private func expectComplete(_ finding: Finding, of rule: any Rule) {
        #expect(rule.severities.contains(finding.severity))
        #expect(finding.message.count > 20 && finding.message.hasSuffix(".") && finding.actor != Actor())
        #expect(finding.container != nil && !finding.isAfterGap && finding.until == nil)
        let hasDevice = finding.device != nil && finding.bar != nil && finding.barOffset != nil
        switch rule.judging {
        case .exposure:
            #expect(hasDevice && finding.isOfMapping && finding.size != nil && finding.reachable != nil)
        case .area: #expect(hasDevice && finding.iova == nil && finding.size != nil && finding.reachable != nil)
        case .container: #expect(!hasDevice && finding.iova == nil && finding.size == nil)
        case .event: #expect(finding.iova != nil && finding.size != nil && finding.occurrences == 1)
        }
        if finding.occurrences == nil {
            #expect(finding.time >= finding.since + max(Engine.defaultDebounce, rule.patienceNanoseconds))
        }
    }

    @Test func storiesAreSentences() {
        for rule in RuleRegistry.all {
            for example in [rule.proof.fires, rule.proof.silent] {
                #expect(example.story.hasSuffix(".") && example.story.count < 100, "\(rule.slug)")
            }
            #expect(rule.proof.fires.story != rule.proof.silent.story)
        }
    }
}
