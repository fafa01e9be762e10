// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// When `mapping-budget` fires, and when it is silent.
@Suite struct MappingBudgetTests {
    @Test func nearlyAllMappingsUsed() {
        var it = Host.withRAM("mapping-budget")
        it.graph.mappingLimit = 100
        for number in UInt64(1)...93 { it.mapRAM(100 + number, iova: 0x1000_0000 + number << 12) }
        it.advance(to: 5000)
        #expect(it.reported == [] && it.graph.mappingCount(in: ContainerID(1)) == 94)
        it.mapRAM(6000, iova: 0x9000_0000)
        it.advance(to: 7000)
        #expect(
            it.reported == ["mapping-budget low open"]
                && it.findings[0].message.hasPrefix("c1 (qemu-a) has 95 of 100 mappings"))
        for number in UInt64(1)...5 { it.remove(8000 + number, iova: 0x1000_0000 + number << 12) }
        #expect(it.reported.count == 1 && it.graph.mappingCount(in: ContainerID(1)) == 90)
        it.remove(9000, iova: 0x9000_0000)
        #expect(it.reported.last == "mapping-budget low resolved")
        it.mapRAM(9100, iova: 0x9000_0000)
        it.advance(to: 20_000)
        #expect(it.reported.count == 2)
    }
}
