// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `unbound-device` fires, and when it is silent.
@Suite struct UnboundDeviceTests {
    @Test func aRebindWithinTheDebounceIsSilent() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.unbind(1300)
        it.bind(1700, "vfio-pci")
        it.open(2100, by: vmA)
        it.advance(to: 20_000)
        #expect(it.reported == [])
    }

    @Test func aRemovedDeviceIsUnbound() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.at(1200, .deviceRemove(nic), by: host)
        it.advance(to: 9000)
        #expect(it.reported == ["unbound-device high open"])
        #expect(it.findings[0].reachable == false && it.findings[0].message.contains("the device is gone"))
        // Back in its slot, with vfio-pci.
        it.at(10_000, .deviceInfo(info(nic, group: nicGroup, bar: nicBar)), by: host)
        it.advance(to: 20_000)
        #expect(it.reported.suffix(2) == ["unbound-device high resolved", "stale-mapping high open"])
    }

    @Test func infoWithoutDriverIsUnbound() {
        var it = Host.peerToPeer(nicOpener: nil, driver: "")
        it.advance(to: 9000)
        #expect(it.reported == ["unbound-device high open"])
    }
}
