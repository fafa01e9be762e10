import Events
import Findings
import MappingGraph
import Testing

/// isolation-break, unbound-device and cross-container: who has the device now.
@Suite struct OwnershipTests {
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
        #expect(it.said == ["stale-mapping high open", "stale-mapping high resolved", "isolation-break critical open"])
        #expect(it.findings[1].until == 3200 && it.findings[2].since == 3200 && it.findings[2].id == 2)
        #expect(it.findings[2].deviceOwner == vmB && it.findings[2].actor == vmA)
        #expect(
            it.findings[2].message
                == "BAR 0 of 0000:02:00.0 is mapped by c1 (qemu-a) at IOVA 0x80000000, but the device was opened by "
                + "qemu-b in c2 since: "
                + "devices of c1 can read and write its memory.")
        it.close(10_000, by: vmB)
        it.advance(to: 20_000)
        #expect(it.said.suffix(2) == ["isolation-break critical resolved", "stale-mapping high open"])
    }

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
        #expect(it.said == ["cross-container info open"])
    }

    /// The name comes after the finding: the rules are asked again.
    @Test func aNameLearntLaterCounts() {
        var it = givenAway()
        it.name(vmA, "web-1", at: 3300)
        it.name(vmB, "web-1", at: 8000)
        it.advance(to: 20_000)
        #expect(
            it.said.suffix(3) == [
                "isolation-break critical open", "isolation-break critical resolved", "cross-container info open",
            ])
    }

    @Test func openedByAnotherProcessInTheSameContainerItIsNone() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.open(1100, by: vmB)
        it.advance(to: 9000)
        #expect(it.said == [])
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
            it.said == [
                "stale-mapping high open", "stale-mapping high resolved", "unbound-device high open",
                "unbound-device high resolved",
                "isolation-break critical open", "isolation-break critical resolved", "stale-mapping high open",
            ])
        #expect(it.findings[4].message.contains("the host's driver e1000e has the device since"))
        #expect(it.findings[4].deviceOwner == nil)
    }

    @Test func aRebindWithinTheDebounceIsSilent() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.unbind(1300)
        it.bind(1700, "vfio-pci")
        it.open(2100, by: vmA)
        it.advance(to: 20_000)
        #expect(it.said == [])
    }

    @Test func aRemovedDeviceIsUnbound() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.at(1200, .deviceRemove(nic), by: host)
        it.advance(to: 9000)
        #expect(it.said == ["unbound-device high open"])
        #expect(it.findings[0].reachable == false && it.findings[0].message.contains("the device is gone"))
        // Back in its slot, with vfio-pci.
        it.at(10_000, .deviceInfo(info(nic, group: nicGroup, bar: nicBar)), by: host)
        it.advance(to: 20_000)
        #expect(it.said.suffix(2) == ["unbound-device high resolved", "stale-mapping high open"])
    }

    @Test func infoThatSaysNoDriverIsUnbound() {
        var it = Host.peerToPeer(nicOpener: nil, driver: "")
        it.advance(to: 9000)
        #expect(it.said == ["unbound-device high open"])
    }

    @Test func twoContainersOfOneOwnerAreInfo() {
        var it = Host.peerToPeer(nicIn: c2, nicOpener: vmA)
        it.advance(to: 9000)
        #expect(it.said == ["cross-container info open"])
        #expect(it.findings[0].deviceOwner == vmA)
    }

    @Test func twoOwnersAreHigh() {
        var it = Host.peerToPeer(nicIn: c2, nicOpener: vmB)
        it.advance(to: 9000)
        #expect(it.said == ["cross-container high open"])
        #expect(it.findings[0].message.contains("in use in c2 (qemu-b)"))
    }

    @Test func movingTheGroupAway() {
        var it = Host.peerToPeer()
        it.at(1000, .groupDetach(nicGroup, c1))
        it.at(1010, .containerOpen(c2))
        it.at(1020, .groupAttach(nicGroup, c2))
        it.advance(to: 9000)
        #expect(it.said == ["cross-container info open"])
        it.at(10_000, .groupDetach(nicGroup, c2))
        it.at(10_010, .groupAttach(nicGroup, c1))
        it.advance(to: 20_000)
        #expect(it.said == ["cross-container info open", "cross-container info resolved"])
    }
}
