import ArgumentParser
import Commands
import Findings

struct Rules: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rules", abstract: "List the rules.")

    func run() throws {
        let width = RuleRegistry.all.map(\.slug.count).max() ?? 0
        for rule in RuleRegistry.all {
            let severity =
                rule.severities.lowerBound == rule.severities.upperBound
                ? rule.severities.upperBound.name
                : "\(rule.severities.lowerBound.name)–\(rule.severities.upperBound.name)"
            print(pad(rule.slug, width), pad(severity, 13), rule.title)
        }
    }
}

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say what a rule means, what it rests on and what to do.")

    @Argument(help: "The rule's name, as `vfioscope rules` lists it.") var rule: String

    func run() throws {
        guard let rule = RuleRegistry.rule(rule) else {
            throw Failure(
                .usage,
                "there is no rule '\(rule)'; the rules are: \(RuleRegistry.all.map(\.slug).joined(separator: ", "))")
        }
        print("\(rule.slug): \(rule.title)\n")
        print("Severity: \(rule.severities.lowerBound.name) to \(rule.severities.upperBound.name)\n")
        print(rule.explanation)
        print("\nWhat it rests on:")
        for fact in rule.kernelFacts { print("  - \(fact)") }
        print("\nWhat to do:\n\(rule.advice)")
    }
}

func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
