// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
import TestSupport
import Testing
@testable import Outputs

/// events → timeline A; A read → events → timeline B: A and B are the same bytes.
@Suite struct RoundTripTests {
    private func check(_ history: History, showVaddr: Bool = false, _ what: String = "") throws {
        let first = history.timeline(showVaddr: showVaddr)
        let again = try History(timeline: first)
        #expect(again.session == history.session)
        #expect(again.evidence == history.final().evidence)
        let second = again.timeline(showVaddr: showVaddr)
        #expect(difference(first, second) == nil, "\(what)")
    }

    @Test func everyKindOfEvent() throws {
        try check(.sample())
        try check(.sample(), showVaddr: true)
        try check(.small())
        try check(.late())
        var empty = History()
        empty.evidence.defects = ["cut \u{1} short \"here\"", "é€𐍈"]
        try check(empty)
    }

    @Test func findingsAreInIt() {
        let text = text(History.sample().timeline())
        #expect(text.contains(#""rule":"stale-mapping""#) && text.contains(#""state":"resolved""#))
    }

    /// What a snapshot showed to be gone comes out of the graph again, and a gap without an action
    /// is a loss.
    @Test func removalsByResyncAreMadeAnew() throws {
        let whole = History.late().timeline()
        let rest = lines(whole).filter { !$0.contains(#""cause":"resync""#) }
        #expect(rest.count == lines(whole).count - 2)
        let old = rest.map { $0.split(separator: #""action":"lost","#, omittingEmptySubsequences: false).joined() }
        #expect(old != rest)
        #expect(difference(whole, try History(timeline: Array(old.joined(separator: "\n").utf8)).timeline()) == nil)
    }

    @Test func chunksOfAnyLength() throws {
        let whole = History.sample().timeline()
        for chunk in [1, 2, 3, 7, 64, 1000, 4096] {
            #expect(difference(whole, try History(timeline: whole, chunk: chunk).timeline()) == nil, "\(chunk)")
        }
    }

    @Test(arguments: 0..<150) func randomHistories(seed: Int) throws {
        var random = Random(seed: UInt64(seed))
        try check(.random(&random, count: 200, isOrderly: seed % 2 == 0), "seed \(seed)")
    }
}
