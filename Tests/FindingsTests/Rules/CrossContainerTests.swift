// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `cross-container` fires, and when it is silent.
@Suite struct CrossContainerTests {
    @Test func givenToTheSameVMItIsNone() {
        var it = Host.peerToPeer()
        it.name(vmA, "web-1", at: 110)
        it.name(vmB, "web-1", at: 120)
        it.close(1000)
        it.at(1100, .groupDetach(nicGroup, c1))
        it.at(1110, .containerOpen(c3), by: vmB)
        it.at(1120, .groupAttach(nicGroup, c3), by: vmB)
        it.open(1130, by: vmB)
        it.advance(to: 9000)
        #expect(it.reported == ["cross-container info open"])
    }

    @Test func twoContainersOfOneOwnerAreInfo() {
        var it = Host.peerToPeer(nicIn: c2, nicOpener: vmA)
        it.advance(to: 9000)
        #expect(it.reported == ["cross-container info open"])
        #expect(it.findings[0].deviceOwner == vmA)
    }

    @Test func twoOwnersAreHigh() {
        var it = Host.peerToPeer(nicIn: c2, nicOpener: vmB)
        it.advance(to: 9000)
        #expect(it.reported == ["cross-container high open"])
        #expect(it.findings[0].message.contains("in use in c2 (qemu-b)"))
    }

    @Test func movingTheGroupAway() {
        var it = Host.peerToPeer()
        it.at(1000, .groupDetach(nicGroup, c1))
        it.at(1010, .containerOpen(c2))
        it.at(1020, .groupAttach(nicGroup, c2))
        it.advance(to: 9000)
        #expect(it.reported == ["cross-container info open"])
        it.at(10_000, .groupDetach(nicGroup, c2))
        it.at(10_010, .groupAttach(nicGroup, c1))
        it.advance(to: 20_000)
        #expect(it.reported == ["cross-container info open", "cross-container info resolved"])
    }
}
