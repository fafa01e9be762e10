// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
import TestSupport
import Testing

@testable import Findings

/// What tells a leak from a teardown: whether anything can start a DMA, and who is exiting. Every
/// teardown here takes far longer than the debounce, and each has a near miss that must fire.
@Suite struct DMAReachTests {
    private let gpuUse = Scene.gpuUse
    private let others = Host.placeRules

    private func found(_ device: PCIAddress, open: UInt32) -> Event.Kind {
        .snapshotDevice(
            SnapshotDevice(
                device: device, group: device == nic ? nicGroup : gpuGroup, openCount: open,
                memoryEnabled: open > 0 ? true : nil, power: .d0))
    }

    /// QEMU ends by `quit`: the process exits, then its devices are reset and closed one after the
    /// other, then the container goes, RAM first.
    private func quit(_ it: inout Host) {
        it.mapRAM(110, iova: 0)
        it.at(1000, .processExit)
        it.close(3000)
        it.at(9000, .deviceLastClose(gpuUse))
        it.at(9100, .containerClose(c1))
        it.remove(60_000, iova: 0, cause: .teardown)
    }

    @Test func aProcessThatExitsSlowly() {
        var it = Host.peerToPeer(rules: others)
        quit(&it)
        it.remove(90_000, iova: window, size: size, cause: .teardown)
        it.at(90_001, .iommuRelease(i1))
        it.advance(to: 1_000_000)
        #expect(it.reported.isEmpty)
    }

    /// A snapshot finds that another process has the GPU: it can still make it do DMA.
    @Test func theSameButAnotherProcessHasADevice() {
        var it = Host.peerToPeer(rules: others)
        it.at(1000, .processExit)
        it.close(3000)
        it.advance(to: 4000)
        #expect(it.reported.isEmpty)
        #expect(it.graph.holdersUnknownSince == 1000 && it.graph.awaitsHolders)
        it.at(4000, .snapshotBegin, by: host)
        it.at(4000, found(gpu, open: 1), by: host)
        it.at(4000, found(nic, open: 0), by: host)
        it.at(4001, .snapshotHolder(.device(gpu), byMapping: false), by: vmB)
        it.at(4002, .snapshotEnd, by: host)
        #expect(it.graph.holdersUnknownSince == nil)
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping high open"])
        #expect(it.findings[0].since == 4001)
    }

    /// A program closes its devices and then takes its time to unmap.
    @Test func aProgramThatUnmapsLate() {
        var it = Host.peerToPeer(rules: others)
        it.close(1000)
        it.at(1100, .deviceLastClose(gpuUse))
        it.advance(to: 2000)
        #expect(it.reported == ["stale-mapping medium open"])
        #expect(it.findings[0].reachable == false)
        #expect(it.findings[0].message.contains("a DMA would not arrive now, because no device of c1 is open"))
        it.unmap(9000)
        #expect(it.reported == ["stale-mapping medium open", "stale-mapping medium resolved"])
    }

    @Test func theSameButOneDeviceStaysOpen() {
        var it = Host.peerToPeer(rules: others)
        it.close(1000)
        it.advance(to: 2000)
        #expect(it.reported == ["stale-mapping high open"])
    }

    /// Latent turns high once a device of the container is opened again, by whomever.
    @Test func openedAgain() {
        var it = Host.peerToPeer(rules: others)
        it.close(1000)
        it.at(1100, .deviceLastClose(gpuUse))
        it.at(5000, .deviceFirstOpen(gpuUse), by: vmB)
        it.advance(to: 6000)
        #expect(it.reported == ["stale-mapping medium open", "stale-mapping high open"])
        #expect(it.findings.map(\.time) == [1500, 5500])
    }

    @Test func anIsolationBreakIsLatentToo() {
        var it = Host.peerToPeer(rules: others)
        it.close(1000)
        it.at(1050, .deviceLastClose(gpuUse))
        it.at(1100, .groupDetach(nicGroup, c1))
        it.at(1200, .containerOpen(c2), by: vmB)
        it.at(1200, .groupAttach(nicGroup, c2), by: vmB)
        it.open(1300, by: vmB)
        it.advance(to: 2000)
        #expect(it.reported == ["isolation-break medium open"])
        it.at(3000, .deviceFirstOpen(gpuUse))
        it.advance(to: 4000)
        #expect(it.reported == ["isolation-break medium open", "isolation-break critical open"])
    }

    /// Detaching the last group removes the mappings, RAM first, which can take long.
    @Test func aDetachInProgress() {
        var it = Host.peerToPeer(rules: others)
        it.mapRAM(110, iova: 0)
        it.at(900, .deviceLastClose(gpuUse))
        it.close(1000)
        it.remove(1100, iova: 0, cause: .teardown)
        it.advance(to: 50_000)
        #expect(it.reported.isEmpty)
    }

    /// Once records were lost, an open may be among them.
    @Test func afterALossNothingIsKnownToBeClosed() {
        var it = Host.peerToPeer(rules: others)
        it.close(1000)
        it.at(1100, .deviceLastClose(gpuUse))
        it.at(1200, .loss(since: 1150, lost: 3), by: host)
        it.close(1201)
        it.advance(to: 3000)
        #expect(it.reported.last == "stale-mapping high open")
    }
}
