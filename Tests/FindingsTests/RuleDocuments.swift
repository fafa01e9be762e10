// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import Foundation
import TestSupport

/// The documents that list the rules, as the registry says they must be.
struct RuleDocuments {
    let root = URL(filePath: #filePath).appending(path: "../../..").standardized
    let rules = RuleRegistry.all

    /// Paths relative to the repository, and what the files must contain.
    func expected() throws -> [(path: String, text: String)] {
        let pages = rules.map { (path: "docs/rules/\($0.slug).md", text: page($0)) }
        return pages + [
            ("README.md", try replacing("README.md", with: summary)),
            ("docs/rules.md", try replacing("docs/rules.md", with: table)),
            ("docs/timeline.schema.json", try schema("docs/timeline.schema.json")),
        ]
    }

    func read(_ path: String) throws -> String { try String(contentsOf: root.appending(path: path), encoding: .utf8) }

    /// Pages in docs/rules without a rule.
    func orphans() throws -> [String] {
        let names = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "docs/rules").path)
        return names.filter { name in !rules.contains { "\($0.slug).md" == name } }
    }

    // MARK: Tables

    /// README.md: a rule and what it reports.
    private var summary: [String] {
        ["| rule | severity | reports |", "|---|---|---|"]
            + rules.map { "| [`\($0.slug)`](docs/rules/\($0.slug).md) | \($0.severities.text) | \($0.title) |" }
    }

    /// docs/rules.md: a rule and its condition.
    private var table: [String] {
        ["| rule | judges | holds while | severity | kernels |", "|---|---|---|---|---|"]
            + rules.map {
                "| [`\($0.slug)`](rules/\($0.slug).md) | \($0.judging.name) | \($0.condition) | \($0.severityNote) "
                    + "| \($0.kernels) |"
            }
    }

    private static let opening = "<!-- rules: written by make docs -->"
    private static let closing = "<!-- rules: end -->"

    /// The file with the lines between the two markers replaced.
    private func replacing(_ path: String, with lines: [String]) throws -> String {
        let text = try read(path)
        guard let start = text.range(of: Self.opening + "\n"), let end = text.range(of: Self.closing) else {
            throw DocumentError("\(path) has no lines '\(Self.opening)' and '\(Self.closing)'")
        }
        return text[..<start.upperBound] + lines.joined(separator: "\n") + "\n" + text[end.lowerBound...]
    }

    // MARK: The schema

    /// The timeline's schema with its four lists of rules, one for each kind of finding.
    private func schema(_ path: String) throws -> String {
        var text = try read(path)
        for kind in ["mapping", "area", "container", "lint"] {
            let comment = "\"$comment\": \"\(kind) rules: written by make docs\",\n            \"enum\": [\n"
            guard let start = text.range(of: comment),
                let end = text.range(of: "            ]", range: start.upperBound..<text.endIndex)
            else { throw DocumentError("\(path) has no list of \(kind) rules") }
            let slugs = rules.filter { $0.judging.name == kind }.map { "\"\($0.slug)\"" }.joined(separator: ", ")
            let indent = String(repeating: " ", count: 14)
            let lines = RulePage.wrap(slugs, width: 100, first: indent, rest: indent)
            text.replaceSubrange(start.upperBound..<end.lowerBound, with: lines.joined(separator: "\n") + "\n")
        }
        return text
    }

    // MARK: Pages

    /// What `explain` prints, as Markdown, and the finding of the rule's example.
    private func page(_ rule: any Rule) -> String {
        let page = RulePage(rule)
        var lines = ["<!-- Written by make docs from Sources/Findings/Rules: do not edit. -->", "# \(page.title)"]
        var isAfterItem = false
        for block in page.blocks {
            var isItem = false
            switch block {
            case .heading(let text): lines += ["", "## \(text)"]
            case .paragraph(let text): lines += [""] + RulePage.wrap(escaped(text), width: 100)
            case .item(let text):
                isItem = true
                if !isAfterItem { lines.append("") }
                lines += RulePage.wrap(escaped(text), width: 100, first: "- ", rest: "  ")
                if text.hasSuffix(rule.proof.fires.story) {
                    lines += RulePage.wrap(escaped(sentence(rule)), width: 100, first: "  > ", rest: "  > ")
                }
            }
            isAfterItem = isItem
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The finding of the example that fires.
    private func sentence(_ rule: any Rule) -> String {
        let finding = Host(rule.proof.fires.history).findings.first { $0.rule == rule.slug }
        return finding.map { "\($0.severity.name): \($0.message)" } ?? ""
    }

    /// What Markdown would read as markup, outside of code.
    private func escaped(_ text: String) -> String {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated().map { index, part in
            index % 2 == 1 ? String(part) : String(part).replacing("<", with: "&lt;").replacing("*", with: "\\*")
        }.joined(separator: "`")
    }
}

struct DocumentError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
