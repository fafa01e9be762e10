// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// When `foreign-pfnmap` fires, and when it is silent.
@Suite struct ForeignPFNMapTests {
    private func closed() -> Host {
        var it = Host.peerToPeer(rules: [RuleRegistry.rule("foreign-pfnmap")!])
        it.unmap(200)
        it.close(1000)
        return it
    }

    @Test func mappedWhileTheDeviceWasClosed() {
        var it = closed()
        it.mapNIC(2000)
        it.advance(to: 5000)
        #expect(it.reported == ["foreign-pfnmap high open"])
        #expect(
            it.findings[0].message
                == "BAR 0 of 0000:02:00.0 is mapped by c1 (qemu-a) at IOVA 0x80000000, although nobody had the "
                + "device open through VFIO when it was mapped: the memory came from sysfs, /dev/mem or another driver."
        )
        // Whoever opens it later: the mapping was never theirs.
        it.open(6000, by: vmB)
        it.advance(to: 9000)
        #expect(it.reported.count == 1)
        it.unmap(10_000)
        #expect(it.reported.last == "foreign-pfnmap high resolved")
    }

    @Test func mappedWhileItWasOpen() {
        var it = Host.peerToPeer(rules: [RuleRegistry.rule("foreign-pfnmap")!])
        it.close(1000)
        it.advance(to: 9000)
        #expect(it.reported == [])
    }

    /// Its last descriptor went while the map was under way.
    @Test func closedWhileItWasMapped() {
        var it = closed()
        it.at(1100, .extent(Extent(iova: window, address: nicBar, size: size)))
        it.at(
            1100, .map(MapRequest(iommu: i1, iova: window, size: size, deviceBytes: size, extentCount: 1, began: 999)))
        it.advance(to: 9000)
        #expect(it.reported == [])
    }

    @Test func notKnownToBeClosed() {
        var it = Host.peerToPeer(nicOpener: nil, rules: [RuleRegistry.rule("foreign-pfnmap")!])
        it.advance(to: 9000)
        #expect(it.reported == [])
        // A snapshot reports every device that is open.
        it.at(10_000, .snapshotBegin, by: host)
        it.at(
            10_001,
            .snapshotDevice(SnapshotDevice(device: nic, group: nicGroup, openCount: 0, memoryEnabled: nil, power: .d0)),
            by: host)
        it.at(10_002, .snapshotEnd, by: host)
        it.mapNIC(11_000, iova: 0x1000_0000)
        it.advance(to: 20_000)
        #expect(it.reported == ["foreign-pfnmap high open"] && it.findings[0].iova == 0x1000_0000)
    }

    @Test func notWithinALossNorFromASnapshot() {
        var it = closed()
        it.at(1500, .loss(since: 1400, lost: 1))
        it.mapNIC(2000)
        it.at(2500, .snapshotBegin, by: host)
        it.at(2501, .extent(Extent(iova: 0x1000_0000, address: nicBar, size: size)))
        it.at(
            2501,
            .map(
                MapRequest(
                    iommu: i1, iova: 0x1000_0000, size: size, deviceBytes: size, extentCount: 1, provenance: .snapshot))
        )
        it.advance(to: 9000)
        #expect(it.reported == [])
    }
}
