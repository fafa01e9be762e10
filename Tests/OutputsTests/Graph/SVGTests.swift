// SPDX-License-Identifier: Apache-2.0
import Testing
@testable import Outputs

/// The graph as an SVG picture.
@Suite struct SVGTests {
    @Test func wrapping() {
        #expect(SVG.wrap("one two three", length: 7) == ["one two", "three"])
        #expect(SVG.wrap("", length: 7) == [])
        #expect(SVG.wrap("abcdefghij k", length: 5) == ["abcd…", "k"])
    }
}
