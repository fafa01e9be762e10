// SPDX-License-Identifier: Apache-2.0
import Testing
@testable import Events

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Compares the vocabulary with the JSON Schema and the timeline's page, in both directions: each
/// must contain every word of the table, and no others.
@Suite struct TimelineVocabularyTests {
    private let schema = JSONDocument(parsing: document("timeline.schema.json"))
    private let page = document("timeline.md")

    /// Severities are words, too. Their type is in a target that this one does not depend on.
    private let severities: [TimelineWord] = [.info, .low, .medium, .high, .critical]

    /// Every word that can be the value of a key, by the table.
    private var values: Set<String> {
        var words = Provenance.words + RemovalCause.words + Backing.Kind.words + Origin.words + PowerState.words
        words += severities + [.resync, .open, .resolved]
        for type in TimelineLine.allCases { words += [type.word] + type.actions }
        return Set(words.map(\.description))
    }

    // MARK: The schema

    /// Every name of a property, and every string that a value must be, anywhere in the schema.
    private func collect(
        _ node: JSONDocument, property: String = "", _ names: inout Set<String>, _ values: inout Set<String>
    ) {
        switch node {
        case .array(let elements): for element in elements { collect(element, property: property, &names, &values) }
        case .object(let members):
            for (name, value) in members {
                switch name {
                case "properties":
                    guard case .object(let properties) = value else { continue }
                    for (property, value) in properties {
                        names.insert(property)
                        collect(value, property: property, &names, &values)
                    }
                // Rules have their own registry and test.
                case "enum", "const": if property != "rule" { values.formUnion(value.strings) }
                default: collect(value, property: property, &names, &values)
                }
            }
        default: break
        }
    }

    @Test func schemaHasTheWordsOfTheTable() {
        var names: Set<String> = [], values: Set<String> = []
        collect(schema, &names, &values)
        #expect(names == Set(TimelineWord.keys.map(\.description)))
        #expect(values == self.values)
    }

    @Test func schemaHasTheTypesAndActionsOfTheTable() throws {
        let types = try #require(schema["properties"]?["type"]?["enum"])
        #expect(Set(types.strings) == Set(TimelineLine.allCases.map(\.word.description)))
        for type in TimelineLine.allCases {
            let line = try #require(schema["$defs"]?[type.word.description])
            let actions = line["properties"]?["action"]?["enum"]?.strings ?? []
            #expect(actions.sorted() == type.actions.map(\.description).sorted(), "\(type)")
        }
    }

    @Test func everyWordIsAKeyOrAValue() {
        for word in TimelineWord.allCases {
            #expect(TimelineWord.keys.contains(word) || values.contains(word.description), "\(word)")
        }
    }

    // MARK: The page

    /// The text between backquotes of some lines.
    private func spans(_ lines: [Substring]) -> [Substring] {
        lines.flatMap { line in line.split(separator: "`", omittingEmptySubsequences: false).enumerated() }
            .filter { $0.offset % 2 == 1 }.map(\.element)
    }

    private static func isPartOfWord(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || character == "_" || character == "-")
    }

    /// The words in a span: the span itself, or the quoted strings of a piece of JSON.
    private func words(_ span: Substring) -> [String] {
        if span.allSatisfy(Self.isPartOfWord), span.first?.isLetter == true { return [String(span)] }
        guard span.contains("\"") else { return [] }
        return span.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 && $0.element.allSatisfy(Self.isPartOfWord) }.map { String($0.element) }
    }

    @Test func pageHasEveryWord() {
        let found = Set(spans(page.split(separator: "\n")).flatMap(words))
        for word in TimelineWord.allCases { #expect(found.contains(word.description), "\(word)") }
    }

    @Test func tablesOfThePageHaveOnlyWords() {
        let known = Set(TimelineWord.allCases.map(\.description)).union(["null", "true", "false"])
        let tables = page.split(separator: "\n").filter { $0.hasPrefix("|") }
        #expect(tables.count > 60)
        for word in spans(tables).flatMap(words) { #expect(known.contains(word), "`\(word)`") }
    }
}

/// A file of docs/.
private func document(_ name: String) -> String {
    let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
    guard let file = fopen("\(root)/docs/\(name)", "r") else { preconditionFailure("there is no docs/\(name)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
    return String(decoding: bytes, as: UTF8.self)
}
