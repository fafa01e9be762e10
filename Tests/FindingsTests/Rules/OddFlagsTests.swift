// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `odd-flags` fires, and when it is silent.
@Suite struct OddFlagsTests {
    @Test func writeWithoutRead() {
        var it = Host.forLints()
        it.mapRAM(200, iova: 0x50_0000, readable: false)
        #expect(it.reported == ["odd-flags info open"])
        it.at(201, .map(MapRequest(iommu: i1, iova: 0x60_0000, size: 0x1000, readable: true, writable: false)))
        #expect(it.engine.openFindings.map(\.occurrences) == [1])
    }
}
