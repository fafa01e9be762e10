// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `isolation-break` fires, and when it is silent.
@Suite struct IsolationBreakTests {
    /// VM A's mapping, the NIC released, and then VM B's in c3.
    private func givenAway(to other: Actor = vmB) -> Host {
        var it = Host.peerToPeer()
        it.close(1000)
        it.at(1100, .groupDetach(nicGroup, c1))
        it.at(3000, .containerOpen(c3), by: other)
        it.at(3100, .groupAttach(nicGroup, c3), by: other)
        it.open(3200, by: other)
        return it
    }

    @Test func givenToAnotherVMItIsABreak() {
        var it = givenAway()
        it.advance(to: 9000)
        #expect(
            it.reported == ["stale-mapping high open", "stale-mapping high resolved", "isolation-break critical open"])
        #expect(it.findings[1].until == 3200 && it.findings[2].since == 3200 && it.findings[2].id == 2)
        #expect(it.findings[2].deviceOwner == vmB && it.findings[2].actor == vmA)
        #expect(
            it.findings[2].message
                == "BAR 0 of 0000:02:00.0 is mapped by c1 (qemu-a) at IOVA 0x80000000, but qemu-b has since "
                + "opened the device in c2: devices of c1 can read and write its memory.")
        it.close(10_000, by: vmB)
        it.advance(to: 20_000)
        #expect(it.reported.suffix(2) == ["isolation-break critical resolved", "stale-mapping high open"])
    }

    /// The name comes after the finding: the rules are asked again.
    @Test func aNameLearntLaterCounts() {
        var it = givenAway()
        it.name(vmA, "web-1", at: 3300)
        it.name(vmB, "web-1", at: 8000)
        it.advance(to: 20_000)
        #expect(
            it.reported.suffix(3) == [
                "isolation-break critical open", "isolation-break critical resolved", "cross-container info open",
            ])
    }

    @Test func openedByAnotherProcessInTheSameContainerItIsNone() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.open(1100, by: vmB)
        it.advance(to: 9000)
        #expect(it.reported == [])
    }

    @Test func aHostDriverIsABreak() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.unbind(3000)
        it.bind(5000, "e1000e")
        it.advance(to: 9000)
        it.unbind(9100)
        it.bind(9200, "vfio-pci")
        it.advance(to: 20_000)
        #expect(
            it.reported == [
                "stale-mapping high open", "stale-mapping high resolved", "unbound-device high open",
                "unbound-device high resolved",
                "isolation-break critical open", "isolation-break critical resolved", "stale-mapping high open",
            ])
        #expect(it.findings[4].message.contains("the host's driver e1000e has since taken the device"))
        #expect(it.findings[4].deviceOwner == nil)
    }
}
