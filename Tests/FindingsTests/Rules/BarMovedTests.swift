// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// bar-moved: the mapping leads to where the BAR was.
@Suite struct BarMovedTests {
    private let elsewhere: UInt64 = 0xf100_0000

    private func sibling(at bar: UInt64, driver: String = "") -> DeviceInfo {
        TestSupport.info(nicSibling, group: 3, bar: bar, driver: driver)
    }

    /// The NIC is mapped, closed, taken away from VFIO and removed.
    private func removed() -> Host {
        var it = Host.peerToPeer()
        it.close(1000)
        it.at(1010, .driverUnbind(DeviceInfo(device: nic, driver: DriverName("vfio-pci"))), by: host)
        it.at(1020, .deviceRemove(nic), by: host)
        return it
    }

    @Test func anotherDeviceLiesThereNow() {
        var it = removed()
        it.at(1100, .barsAssigned(info(nic, group: nicGroup, bar: elsewhere, driver: "")), by: host)
        it.at(1110, .barsAssigned(sibling(at: nicBar)), by: host)
        it.at(1120, .deviceInfo(info(nic, group: nicGroup, bar: elsewhere, driver: "")), by: host)
        it.at(1130, .deviceInfo(sibling(at: nicBar)), by: host)
        it.at(1140, .driverBind(sibling(at: nicBar, driver: "ixgbe")), by: host)
        it.advance(to: 9000)
        #expect(it.reported == ["bar-moved critical open"])
        let finding = it.findings[0]
        #expect(
            finding.device == nic && finding.bar == 0 && finding.iova == window && finding.size == size
                && finding.reachable == true)
        #expect(
            finding.message
                == "BAR 0 of 0000:02:00.0 is mapped by c1 (qemu-a) at IOVA 0x80000000, but that BAR was moved from "
                + "0xf0000000 to 0xf1000000: "
                + "devices of c1 can read and write BAR 0 of 0000:02:00.1 there now, which the driver ixgbe has.")
        it.unmap(10_000)
        #expect(
            it.reported == ["bar-moved critical open", "bar-moved critical resolved"] && it.findings[1].until == 10_000)
    }

    /// The device that lies there now answers or not, whatever becomes of the one that was mapped.
    @Test func whetherADMAArrivesIsTheOthersMatter() {
        var it = removed()
        it.at(1100, .deviceInfo(info(nic, group: nicGroup, bar: elsewhere, driver: "")), by: host)
        it.at(1110, .deviceInfo(sibling(at: nicBar)), by: host)
        it.at(1120, .power(nic, state: .d3hot, by: .host), by: host)
        it.advance(to: 5000)
        it.at(6000, .memoryDecode(nicSibling, enabled: false, by: .host), by: host)
        it.advance(to: 9000)
        #expect(it.reported == ["bar-moved critical open", "bar-moved critical open"])
        #expect(it.findings.map(\.reachable) == [true, false] && it.findings.map(\.id) == [1, 1])
    }

    @Test func nothingLiesThereYet() {
        var it = removed()
        it.at(1100, .deviceInfo(info(nic, group: nicGroup, bar: elsewhere, driver: "")), by: host)
        it.advance(to: 9000)
        #expect(it.reported == ["bar-moved critical open"])
        #expect(
            it.findings[0].reachable == false
                && it.findings[0].message.hasSuffix(
                    "nothing that is known lies there now, and whatever gets these addresses next is open to devices "
                        + "of c1."
                ))
    }

    /// The device itself does not come back: its place is taken all the same.
    @Test func aDeviceThatIsGoneAndReplaced() {
        var it = removed()
        it.advance(to: 5000)
        it.at(6000, .deviceInfo(sibling(at: nicBar)), by: host)
        it.advance(to: 9000)
        #expect(it.reported == ["unbound-device high open", "unbound-device high resolved", "bar-moved critical open"])
        #expect(
            it.findings[2].since == 6000
                && it.findings[2].message.contains(
                    "but that device is gone from 0xf0000000: devices of c1 can read and write BAR 0 of 0000:02:00.1")
        )
        it.at(10_000, .deviceRemove(nicSibling), by: host)
        it.advance(to: 20_000)
        #expect(it.reported.suffix(2) == ["bar-moved critical resolved", "unbound-device high open"])
    }

    @Test func backInItsPlaceItIsNotMoved() {
        var it = removed()
        it.at(1100, .barsAssigned(info(nic, group: nicGroup, bar: nicBar, driver: "")), by: host)
        it.at(1110, .deviceInfo(info(nic, group: nicGroup, bar: nicBar, driver: "")), by: host)
        it.at(1120, .deviceInfo(sibling(at: elsewhere)), by: host)
        it.advance(to: 9000)
        #expect(it.reported == ["unbound-device high open"])
        it.at(10_000, .driverBind(info(nic, group: nicGroup, bar: nicBar)), by: host)
        it.open(10_100, by: vmA)
        it.advance(to: 20_000)
        #expect(it.reported.last == "unbound-device high resolved")
    }

    /// A BAR is elsewhere for less than the debounce while the kernel assigns.
    @Test func aDetourWithinTheDebounceIsSilent() {
        var it = Host.peerToPeer()
        it.at(1100, .barsAssigned(info(nic, group: nicGroup, bar: elsewhere)), by: host)
        it.at(1200, .barsAssigned(info(nic, group: nicGroup, bar: nicBar)), by: host)
        it.advance(to: 9000)
        #expect(it.reported == [])
    }

    @Test func resizedInItsPlaceItMattersOnlyIfItShrinks() {
        var it = Host.peerToPeer()
        var bigger = info(nic, group: nicGroup, bar: nicBar)
        bigger.bars[0].size *= 2
        it.at(1100, .barsAssigned(bigger), by: host)
        it.advance(to: 9000)
        #expect(it.reported == [])
        bigger.bars[0].size = size / 2
        it.at(10_000, .barsAssigned(bigger), by: host)
        it.advance(to: 20_000)
        #expect(it.reported == ["bar-moved critical open"])
        #expect(it.findings[0].message.contains("that BAR was cut from 1 MiB to 512 KiB"))
    }

    /// A mapping that is made where the BAR is now leads to it.
    @Test func aMappingMadeAfterwardsIsInOrder() {
        var it = Host.peerToPeer()
        it.unmap(200)
        it.at(300, .barsAssigned(info(nic, group: nicGroup, bar: elsewhere)), by: host)
        it.at(400, .extent(Extent(iova: window, address: elsewhere, size: size)))
        it.at(400, .map(MapRequest(iommu: i1, iova: window, size: size, deviceBytes: size, extentCount: 1)))
        it.advance(to: 9000)
        #expect(it.reported == [])
    }
}
