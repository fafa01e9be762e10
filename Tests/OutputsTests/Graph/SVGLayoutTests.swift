// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
@testable import Outputs

/// The boxes of a picture do not overlap and stay within it.
@Suite struct SVGLayoutTests {
    @Test func boxesDoNotOverlap() {
        for seed in 0..<40 as Range<UInt64> {
            var random = Random(seed: seed)
            let ending = History.random(&random, count: 150, isOrderly: true).final()
            let layout = SVGLayout(Picture(ending.graph, findings: ending.findings))
            for column in [layout.owners, layout.containers, layout.devices] {
                let sorted = column.sorted { $0.y < $1.y }
                for (above, below) in zip(sorted, sorted.dropFirst()) {
                    #expect(above.y + above.height < below.y, "seed \(seed)")
                }
            }
        }
    }
}
