// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Testing
@testable import Outputs

/// Interpolation into the writer escapes each name as its label asks.
@Suite struct OutputTextTests {
    private func written(_ text: OutputText) -> String {
        OutputsTests.text(ByteWriter.gather { $0.append(text) })
    }

    /// What drives a terminal, and breaks markup and JSON.
    private let hostile = "\u{1b}[31m<b>\"&"

    @Test func namesAreEscapedAsTheirLabelSays() {
        #expect(written("a \(text: hostile)") == "a \u{fffd}[31m<b>\"&")
        #expect(written("a \(text: Comm(hostile)) \(text: ShortText("x\n"))") == "a \u{fffd}[31m<b>\"& x\u{fffd}")
        #expect(written("a \(xml: hostile)") == "a \u{fffd}[31m&lt;b&gt;&quot;&amp;")
        #expect(written("a \(json: hostile)") == #"a "\u001b[31m<b>\"&""#)
    }

    @Test func valuesNeedNoLabel() {
        #expect(
            written("\(UInt64.max) \(7 as UInt32) \(6 as UInt8) \(-5) \(-22 as Int32)") == "\(UInt64.max) 7 6 -5 -22")
        #expect(
            written("\(nic) \(ContainerID(3)) \(Severity.high) \(TimelineWord.setIOMMU)") == "\(nic) c3 high set-iommu")
        #expect(written("\(true ? "yes" : "no")") == "yes")
    }

    @Test func quantities() {
        #expect(written("\(hex: 255) \(size: 4096) \(grouped: 1000) \(duration: 1_000_000)") == "0xff 4 KiB 1,000 1 ms")
        #expect(written("\(iova: 0x1000, size: 4096) \(bar: 6, offset: 16)") == "0x1000-0x1fff ROM+0x10")
        #expect(written("\(time: 0) \(timeOfDay: 1_000_000)") == "1970-01-01T00:00:00.000000000Z 00:00:00.001")
    }

    @Test func textsWithinTexts() {
        let inner: OutputText = "c\(1)"
        #expect(written("<\(inner)> \(inner)") == "<c1> c1" && inner.string == "c1")
    }

    @Test func growsBeyondItsEstimate() {
        let long = String(repeating: "0123456789", count: 10_000)
        #expect(written("a \(text: long) b \(text: long)") == "a \(long) b \(long)")
    }

    @Test func lines() {
        let found = ByteWriter.gather { out in
            out.line("literal")
            out.line("\(1) of \(2)")
        }
        #expect(text(found) == "literal\n1 of 2\n")
    }
}
