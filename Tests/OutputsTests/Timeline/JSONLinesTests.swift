// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import Testing
@testable import Outputs

/// Lines of the JSON timeline that need a look of their own.
@Suite struct JSONLinesTests {
    @Test func keptBars() throws {
        let history = History.keptBar(isLetGo: true)
        let found = lines(history.timeline())
        #expect(found.count == 7)
        #expect(
            found[1].hasPrefix(#"{"type":"device","action":"kept-bar","t":2000000000,"#)
                && found[1].hasSuffix(#","bar":0,"bar_offset":1048576,"size":524288}"#))
        // In no BAR that is known.
        #expect(found[2].hasSuffix(#""device":"\#(gpu)","size":4096}"#))
        #expect(found[4].hasPrefix(#"{"type":"device","action":"let-go","t":3000000000,"#))
        #expect(
            found[3].contains(#""rule":"child-keeps-bar","severity":"medium","state":"open","t":2500000000,"#)
                && found[5].contains(#""state":"resolved""#))
        #expect(
            found[3].contains(#","size":524288,"device":"\#(gpu)","bar":0,"bar_offset":1048576,"reachable":true,"#)
                && !found[3].contains("iova"))
        #expect(try History(timeline: history.timeline()).timeline() == history.timeline())
    }

    @Test func whatAPolicySuppressesIsMarkedAndDoesNotCount() {
        let marked = written(JSONLines(), suppressed: ["a \"b\""])
        #expect(
            marked.contains(#","suppressed":"a \"b\"","message":"m"}"#)
                && marked.contains(#""high":0,"critical":0},"suppressed":1,"attempted""#))
        let counted = written(JSONLines(), suppressed: ["a", nil, "a"])
        #expect(counted.contains(#""high":1,"critical":0},"attempted""#))
    }

    /// The words that the timeline's table has for them are their names.
    @Test func severitiesAreSpelledByTheirNames() {
        for severity in Severity.allCases { #expect(severity.word.description == severity.name) }
    }
}
