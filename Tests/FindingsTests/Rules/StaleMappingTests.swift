// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// When `stale-mapping` fires, and when it is silent.
@Suite struct StaleMappingTests {
    @Test func firesWhenTheDeviceIsClosed() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping high open"])
        let finding = it.findings[0]
        #expect(
            finding.id == 1 && finding.since == 1000 && finding.time == 1500 && finding.until == nil
                && finding.reachable == true)
        #expect(finding.container == ContainerID(1) && finding.iova == window && finding.size == size)
        #expect(
            finding.device == nic && finding.bar == 0 && finding.barOffset == 0 && finding.actor == vmA
                && finding.deviceOwner == nil)
        #expect(
            finding.message
                == "BAR 0 of 0000:02:00.0 is mapped by c1 (qemu-a) at IOVA 0x80000000, but the device has been closed: "
                + "devices of c1 can still read and write it.")
    }

    @Test func staysSilentWhileTheDeviceIsOpen() {
        var it = Host.peerToPeer()
        it.at(900, .deviceClose(DeviceUse(device: nic, openCount: 1)))
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }

    @Test func ordinaryTeardownIsSilent() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.at(1100, .groupDetach(nicGroup, c1))
        it.unmap(1200)
        it.at(1300, .iommuRelease(i1))
        it.at(1400, .containerClose(c1))
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }

    @Test func acrossContainersTheMessageStatesIt() {
        var it = Host.peerToPeer(nicIn: c2)
        it.close(1000)
        it.advance(to: 5000)
        // It was open there, by the same owner.
        #expect(
            it.reported == ["cross-container info open", "cross-container info resolved", "stale-mapping high open"])
        #expect(it.findings[2].message.hasSuffix("The device was never in that container."))
    }

    @Test func aMappingMadeAfterTheCloseCounts() {
        var it = Host.peerToPeer(nicOpener: nil)
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping high open"])
        #expect(it.findings[0].since == 100)
    }

    @Test func latentWhileAsleepAndBack() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.at(1100, .power(nic, state: .d3hot, by: .host))
        it.advance(to: 2000)
        it.at(3000, .power(nic, state: .d0, by: .host))
        it.at(4000, .power(nic, state: .d3cold, by: .host))
        it.unmap(5000)
        #expect(
            it.reported == [
                "stale-mapping medium open", "stale-mapping high open", "stale-mapping medium open",
                "stale-mapping medium resolved",
            ])
        #expect(it.findings.map(\.id) == [1, 1, 1, 1] && it.findings.map(\.since) == [1000, 1000, 1000, 1000])
        #expect(it.findings.map(\.time) == [1500, 3500, 4500, 5000] && it.findings.last?.until == 5000)
        #expect(it.findings[0].message.contains("a DMA would not arrive now, because the device is in D3hot"))
    }

    @Test func reopenedByTheSameOwnerItIsClean() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.open(9000, by: vmA)
        it.advance(to: 1_000_000)
        #expect(it.reported == ["stale-mapping high open", "stale-mapping high resolved"])
        #expect(it.findings[1].since == 1000 && it.findings[1].until == 9000)
    }

    @Test(arguments: ["vfio-pci", "mlx5_vfio_pci", "nvgrace-gpu-vfio-pci", "pci-stub"])
    func driversThatKeepADeviceForVFIO(_ driver: String) {
        var it = Host.peerToPeer(driver: driver)
        it.close(1000)
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping high open"])
    }

    @Test func readOnlyMappingsCannotWrite() {
        var it = Host.peerToPeer()
        it.at(200, .extent(Extent(iova: 0x1000, address: nicBar + 0x1000, size: 0x2000)))
        it.at(
            200,
            .map(
                MapRequest(
                    iommu: i1, iova: 0x1000, size: 0x2000, readable: true, writable: false, deviceBytes: 0x2000,
                    extentCount: 1)))
        it.close(1000)
        it.advance(to: 5000)
        #expect(
            it.findings[1].message
                == "BAR 0 of 0000:02:00.0 (offsets 0x1000…0x2fff) is mapped by c1 (qemu-a) at IOVA 0x1000, "
                + "but the device has been closed: devices of c1 can still read it.")
    }
}
