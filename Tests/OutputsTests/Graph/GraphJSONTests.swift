// SPDX-License-Identifier: Apache-2.0
import Testing
@testable import Outputs

/// The graph as one JSON document.
@Suite struct GraphJSONTests {
    @Test func keptBars() {
        func json(_ history: History) -> String {
            let ending = history.final()
            return OutputsTests.text(
                ByteWriter.gather {
                    FormatRegistry.graph("json")!.write(
                        ending.graph, findings: ending.findings, at: 4_000_000_000, session: history.session, into: &$0)
                })
        }
        #expect(
            json(History.keptBar(isLetGo: false)).contains(
                #""kept_bars":[{"bar":0,"bar_offset":1048576,"size":524288,"pid":\#(vmA.process.pid),"#))
        #expect(!json(History.keptBar(isLetGo: true)).contains("kept_bars"))
    }
}
