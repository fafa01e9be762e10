// SPDX-License-Identifier: Apache-2.0
import Findings
import Foundation
import Testing

/// The documents match the rules. `make docs` runs this with UPDATE_DOCS set, which writes them.
@Suite struct RuleDocumentsTests {
    private let documents = RuleDocuments()
    private let isUpdating = ProcessInfo.processInfo.environment["UPDATE_DOCS"] != nil

    @Test func documentsMatchTheRules() throws {
        for (path, text) in try documents.expected() {
            if isUpdating {
                try text.write(to: documents.root.appending(path: path), atomically: true, encoding: .utf8)
            }
            let isCurrent = try? documents.read(path) == text
            #expect(isCurrent == true, "\(path) is stale: run `make docs` and commit what it changes")
        }
    }

    @Test func everyPageHasARule() throws {
        let orphans = try documents.orphans()
        #expect(orphans == [], "no rule has these pages in docs/rules: remove them")
    }

    @Test func pagesFitOnAScreen() {
        for rule in RuleRegistry.all {
            for line in RulePage(rule).text().split(separator: "\n") {
                #expect(line.count <= 100, "\(rule.slug): \(line)")
            }
        }
    }
}
