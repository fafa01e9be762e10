// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Findings

/// `rules`: prints one line for each rule.
struct Rules: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rules", abstract: "List the rules.")

    func run() throws {
        let rules = RuleRegistry.all
        let slugs = rules.map(\.slug.count).max() ?? 0, severities = rules.map(\.severities.text.count).max() ?? 0
        for rule in rules { print(pad(rule.slug, slugs), pad(rule.severities.text, severities), rule.title) }
    }
}

/// `explain RULE`: prints a rule's page.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Explain a rule: what it means, the kernel facts behind it, and what to do.")

    @Argument(help: "The rule's name, as `vfioscope rules` lists it.") var rule: String

    func run() throws {
        guard let rule = RuleRegistry.rule(rule) else {
            throw Failure(
                .usage,
                "there is no rule '\(rule)'; the rules are: \(RuleRegistry.all.map(\.slug).joined(separator: ", "))")
        }
        print(RulePage(rule).text())
    }
}

/// Pads `text` with blanks to at least `width` columns.
func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
