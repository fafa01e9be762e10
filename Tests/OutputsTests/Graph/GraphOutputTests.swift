// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing
@testable import Outputs

/// What holds of every graph format.
@Suite struct GraphOutputTests {
    /// Names that are markup, in every place where a name goes.
    @Test(arguments: ["dot", "svg"]) func namesAreEscaped(format: String) {
        var history = History.small()
        history.events.removeLast(2)
        history.session.kernel = "6.1<\"&'>"
        let nasty = ShortText("<script>&\"'>")
        history.events.insert(Event(time: 1, actor: vmA, kind: .processInfo(ProcessInfo(exe: nasty, vm: nasty))), at: 0)
        let ending = history.final()
        let output = text(
            ByteWriter.gather {
                FormatRegistry.graph(format)!.write(
                    ending.graph, findings: ending.findings, at: 0, session: history.session, into: &$0)
            })
        #expect(!output.contains("<script") && output.contains("&lt;script&gt;&amp;&quot;&#39;&gt;"))
        #expect(!output.contains("6.1<"))
    }

    @Test(arguments: FormatRegistry.graphNames, 0..<40) func anyGraphCanBeDrawn(format: String, seed: Int) {
        var random = Random(seed: UInt64(seed))
        let history = History.random(&random, count: 150, isOrderly: seed % 2 == 0)
        let ending = history.final()
        let output = text(
            ByteWriter.gather {
                FormatRegistry.graph(format)!.write(
                    ending.graph, findings: ending.findings, at: 0, session: history.session, into: &$0)
            })
        let open = output.count { $0 == "<" }, close = output.count { $0 == ">" }
        switch format {
        case "dot": #expect(output.hasSuffix("}\n"))
        case "svg": #expect(output.hasSuffix("</svg>\n") && open == close)
        default: #expect(output.hasSuffix("\n"))
        }
    }
}
