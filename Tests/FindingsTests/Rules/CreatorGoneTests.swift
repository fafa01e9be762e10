// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `creator-gone` fires, and when it is silent.
@Suite struct CreatorGoneTests {
    @Test func theCreatorExitsAndNobodyIsKnownToHaveIt() {
        var it = Host.withRAM("creator-gone")
        it.at(1000, .processExit)
        it.advance(to: 5000)
        #expect(it.reported == ["creator-gone medium open"])
        #expect(
            it.findings[0].actor == vmA
                && it.findings[0].message.hasPrefix(
                    "1 of 1 mapping (4 MiB) of c1 was made by a process that has exited (qemu-a, pid 100)")
        )
        it.remove(6000, iova: 0, size: 0x40_0000)
        #expect(it.reported.last == "creator-gone medium resolved")
    }

    @Test func aHelperThatMappedForALivingProcess() {
        var it = Host.withRAM("creator-gone")
        it.mapRAM(8, iova: 0x1000_0000, by: vmB)
        it.mapRAM(9, iova: 0x2000_0000, by: vmB)
        it.at(1000, .processExit, by: vmB)
        it.advance(to: 5000)
        #expect(it.reported == ["creator-gone low open"])
        #expect(it.findings[0].actor == vmB && it.findings[0].message.hasPrefix("2 of 3 mappings"))
        it.remove(6000, iova: 0x2000_0000)
        #expect(it.reported.count == 1)
        // The other one goes: there is no other event to judge it by.
        it.remove(6001, iova: 0x1000_0000)
        #expect(it.reported.last == "creator-gone low resolved")
    }

    @Test func whoeverHasADeviceOpenMakesItLow() {
        var it = Host.withRAM("creator-gone")
        it.at(10, .deviceFirstOpen(gpuUse), by: vmB)
        it.at(1000, .processExit)
        it.advance(to: 5000)
        it.at(6000, .processExit, by: vmB)
        it.advance(to: 9000)
        #expect(it.reported == ["creator-gone low open", "creator-gone medium open"])
    }

    @Test func aProcessThatMadeNoneOfThemMayExit() {
        var it = Host.withRAM("creator-gone")
        it.at(1000, .processExit, by: vmB)
        it.advance(to: 5000)
        it.mapRAM(6000, iova: 0x1000_0000, by: vmB)
        it.remove(6100, iova: 0x1000_0000, by: vmB)
        it.advance(to: 9000)
        #expect(it.reported == [])
    }
}
