// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `map-exists` fires, and when it is silent.
@Suite struct MapExistsTests {
    @Test func theMappingInTheWayIsNamed() {
        var it = Host.forLints()
        it.mapRAM(200, iova: 0x0, size: 0x40_0000, result: -17)
        #expect(it.reported == ["map-exists low open"])
        #expect(
            it.findings[0].message
                == "A map of 0x0…0x3fffff in c1 (qemu-a) failed with EEXIST: 0x100000…0x1fffff is mapped by qemu-a "
                + "(pid 100)."
        )
    }
}
