// SPDX-License-Identifier: Apache-2.0
/// What is written about a rule, in parts: `explain` prints them for a terminal, and `make docs`
/// writes them as a page of docs/rules.
public struct RulePage: Sendable {
    public enum Block: Sendable, Equatable {
        case heading(String)
        case paragraph(String)
        case item(String)
    }

    /// `stale-mapping: A mapping outlives …`
    public let title: String
    public let blocks: [Block]

    public init(_ rule: any Rule) {
        title = "\(rule.slug): \(rule.title)"
        var blocks: [Block] = [
            .item("Severity: \(rule.severityNote)."),
            .item("\(rule.judging.subject): \(rule.condition)."),
            .item("Kernels: \(rule.kernels)."),
        ]
        blocks += Self.paragraphs(rule.explanation)
        blocks += [.heading("Examples")]
        blocks += [
            .item("Reported: \(rule.proof.fires.story)"),
            .item("Not reported: \(rule.proof.silent.story)"),
        ]
        blocks += [.heading("What it relies on")] + rule.kernelFacts.map { .item($0) }
        blocks += [.heading("What to do")] + Self.paragraphs(rule.advice)
        self.blocks = blocks
    }

    /// Paragraphs stand between empty lines; how they are wrapped in the source does not matter.
    private static func paragraphs(_ text: String) -> [Block] {
        var blocks: [Block] = []
        var words: [Substring] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) + ["" as Substring] {
            words += line.split(separator: " ")
            guard line.isEmpty, !words.isEmpty else { continue }
            blocks.append(.paragraph(words.joined(separator: " ")))
            words = []
        }
        return blocks
    }

    /// For a terminal: lines of at most `width` columns.
    public func text(width: Int = 100) -> String {
        var lines = Self.wrap(title, width: width)
        var isAfterItem = false
        for block in blocks {
            switch block {
            case .heading(let text): lines += ["", text + ":"]
            case .paragraph(let text):
                if lines.last?.hasSuffix(":") != true { lines.append("") }
                lines += Self.wrap(text, width: width)
            case .item(let text):
                if !isAfterItem, lines.last?.hasSuffix(":") != true { lines.append("") }
                lines += Self.wrap(text, width: width, first: "  - ", rest: "    ")
            }
            if case .item = block { isAfterItem = true } else { isAfterItem = false }
        }
        return lines.joined(separator: "\n")
    }

    /// Lines of at most `width` columns; a longer word has a line of its own. O(*n*).
    public static func wrap(_ text: String, width: Int, first: String = "", rest: String = "") -> [String] {
        var lines: [String] = []
        var line = first
        var isEmpty = true
        for word in text.split(separator: " ") {
            if !isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = rest
                isEmpty = true
            }
            line += (isEmpty ? "" : " ") + word
            isEmpty = false
        }
        return lines + [line]
    }
}

extension RuleJudging {
    /// What the rule judges, in a word: as docs/rules.md explains them.
    public var name: String {
        switch self {
        case .exposure: "mapping"
        case .area: "area"
        case .container: "container"
        case .event: "lint"
        }
    }

    /// What a rule's condition is about, before that condition.
    var subject: String {
        switch self {
        case .exposure: "Condition of a mapping"
        case .area: "Condition of an area of a BAR"
        case .container: "Condition of a container"
        case .event: "Call"
        }
    }
}
