// SPDX-License-Identifier: Apache-2.0
import Testing
@testable import Events

/// Tests that the timeline's words are spelled, found and read back alike.
@Suite struct TimelineWordTests {
    /// `ordinal` reads the enum's tag: it must be the position among all cases.
    @Test func ordinals() {
        #expect(MemoryLayout<TimelineWord>.size == 1)
        for (index, word) in TimelineWord.allCases.enumerated() { #expect(word.ordinal == index) }
    }

    @Test func spellings() {
        #expect(TimelineWord.t.description == "t" && TimelineWord.setIOMMU.description == "set-iommu")
        #expect(TimelineWord.cgroup.text.description == "cgroup")
        #expect(TimelineWord(rawValue: "kept-bar") == .keptBar && TimelineWord(rawValue: "keptBar") == nil)
        #expect(Set(TimelineWord.allCases.map(\.description)).count == TimelineWord.allCases.count)
    }

    @Test func everyWordOfTheReaderIsFound() {
        let words = TimelineWords()
        for word in TimelineWord.allCases {
            for padding in 0...1 {
                let text = word.description
                let bytes = Array(text.utf8) + Array(repeating: 0x22, count: 16 + padding)
                bytes.withUnsafeBufferPointer {
                    let expected = word.isOnlyWritten ? nil : word
                    #expect(words.find($0.baseAddress!, text.utf8.count) == expected)
                    let quoted = words.findQuoted($0.baseAddress!)
                    #expect(quoted?.word == expected)
                    #expect(quoted?.length == (expected == nil ? nil : text.utf8.count))
                }
            }
        }
        for text in ["", "ma", "mapp", "Type", "a-word-of-17-byte"] {
            let bytes = Array(text.utf8) + [0x22] + Array(repeating: 0, count: 16)
            bytes.withUnsafeBufferPointer {
                #expect(words.find($0.baseAddress!, text.utf8.count) == nil)
                #expect(words.findQuoted($0.baseAddress!) == nil)
            }
        }
    }

    @Test func valuesAreSpelledAndReadBack() {
        func check<Value: TimelineValue & Equatable>(_ values: [Value]) {
            #expect(Value.words == values.map(\.word))
            for value in values { #expect(Value(value.word) == value) }
            #expect(Value(.container) == nil)
        }
        check([.observed, .snapshot, .inferred] as [Provenance])
        check([.request, .teardown, .failedMap] as [RemovalCause])
        check([.file, .memfd, .anonymous] as [Backing.Kind])
        check([.vfio, .host] as [Origin])
        check(PowerState.allCases)
    }

    /// The names within quotes in a piece of a line.
    private func names(in literal: StaticString) -> [String] {
        literal.description.split(whereSeparator: { !($0.isLetter || $0 == "_" || $0 == "-") }).map(String.init)
            .filter { !["true", "false", "c", "x"].contains($0) }
    }

    @Test func literalsAreMadeOfWords() {
        let words = Set(TimelineWord.allCases.map(\.description))
        let literals: [StaticString] = [
            TimelineLiteral.map, TimelineLiteral.removal, TimelineLiteral.unmapRequest, TimelineLiteral.time,
            TimelineLiteral.pid, TimelineLiteral.tid, TimelineLiteral.start, TimelineLiteral.comm, TimelineLiteral.uid,
            TimelineLiteral.cgroup, TimelineLiteral.container, TimelineLiteral.iova, TimelineLiteral.size,
            TimelineLiteral.vaddr, TimelineLiteral.readable, TimelineLiteral.notReadable, TimelineLiteral.writable,
            TimelineLiteral.notWritable, TimelineLiteral.succeeded, TimelineLiteral.ram, TimelineLiteral.targets,
            TimelineLiteral.provenance, TimelineLiteral.began, TimelineLiteral.cause, TimelineLiteral.flags,
            TimelineLiteral.requested, TimelineLiteral.observed,
        ]
        for literal in literals {
            #expect(!names(in: literal).isEmpty)
            for name in names(in: literal) { #expect(words.contains(name), "\(literal)") }
        }
    }

    /// The reader expects as one run what the writer writes piece by piece.
    @Test func runsAreMadeOfPieces() {
        typealias L = TimelineLiteral
        func joined(_ pieces: StaticString...) -> String { pieces.map(\.description).joined() }
        #expect(joined("\"", L.uidAfterQuote) == L.uid.description)
        #expect(joined(L.iovaAfterContainer) == joined("\"", L.iova))
        #expect(joined(L.fromReadToRAM) == joined(L.readable, L.writable, L.succeeded, L.ram))
        #expect(joined(L.fromReadOnlyToRAM) == joined(L.readable, L.notWritable, L.succeeded, L.ram))
        #expect(joined(L.observed) == joined(L.provenance, Provenance.observed.word.text, "\""))
        #expect(joined(L.noTargetsObserved) == joined(L.targets, L.observed))
        #expect(joined(L.causeRequest) == joined(L.cause, RemovalCause.request.word.text, "\""))
        #expect(joined(L.noFlagsRequested) == joined(L.flags, "0", L.requested))
    }
}
