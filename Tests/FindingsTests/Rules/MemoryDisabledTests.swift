// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `memory-disabled` fires, and when it is silent.
@Suite struct MemoryDisabledTests {
    @Test func decodeOff() {
        var it = Host.peerToPeer()
        it.at(1000, .memoryDecode(nic, enabled: false, by: .vfio))
        it.advance(to: 5000)
        it.at(6000, .memoryDecode(nic, enabled: true, by: .vfio))
        #expect(it.reported == ["memory-disabled medium open", "memory-disabled medium resolved"])
        #expect(
            it.findings[0].reachable == false
                && it.findings[0].message.contains("memory decode is off in its command register"))
        #expect(it.findings[1].since == 1000 && it.findings[1].until == 6000)
    }

    @Test func aShortResetIsSilentAndALongOneIsNot() {
        var it = Host.peerToPeer()
        it.at(1000, .reset(nic, phase: .begin, wholeBus: false))
        it.at(1400, .reset(nic, phase: .end, wholeBus: false))
        it.advance(to: 5000)
        #expect(it.reported == [])
        it.at(6000, .reset(nic, phase: .begin, wholeBus: false))
        it.advance(to: 9000)
        #expect(it.reported == ["memory-disabled medium open"])
        #expect(it.findings[0].message.contains("the device is in reset"))
    }

    /// VFIO resets a device between the last descriptor's release and the last close, for as long
    /// as the device needs.
    @Test func theResetOfALastCloseIsSilentHoweverLong() {
        var it = Host.peerToPeer()
        it.at(1000, .deviceClose(DeviceUse(device: nic, group: nicGroup)))
        it.at(1001, .reset(nic, phase: .begin, wholeBus: false))
        it.advance(to: 3000)
        #expect(it.reported == [])
        it.at(3000, .reset(nic, phase: .end, wholeBus: false))
        it.at(3001, .deviceLastClose(DeviceUse(device: nic, group: nicGroup)))
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping high open"])
    }

    @Test func aBusResetOfASibling() {
        var it = Host.peerToPeer(rules: Host.placeRules)
        it.at(900, .deviceInfo(info(nicSibling, group: nicGroup, bar: 0xf800_0000)), by: host)
        it.at(1000, .reset(nicSibling, phase: .begin, wholeBus: true))
        it.at(2000, .reset(nicSibling, phase: .end, wholeBus: true))
        #expect(it.reported == ["memory-disabled medium open", "memory-disabled medium resolved"])
    }

    @Test func asleepWhileOpen() {
        var it = Host.peerToPeer()
        it.at(1000, .power(nic, state: .d2, by: .vfio))
        it.advance(to: 2000)
        #expect(it.reported == [])
        it.at(3000, .power(nic, state: .d3hot, by: .vfio))
        it.advance(to: 9000)
        #expect(it.reported == ["memory-disabled medium open"])
        #expect(it.findings[0].message.contains("the device is in D3hot"))
    }

    @Test func closedItIsAnotherRules() {
        var it = Host.peerToPeer()
        it.at(1000, .memoryDecode(nic, enabled: false, by: .host))
        it.close(1200)
        it.at(1300, .memoryDecode(nic, enabled: false, by: .host))
        it.advance(to: 9000)
        #expect(it.reported == ["stale-mapping medium open"])
    }
}
