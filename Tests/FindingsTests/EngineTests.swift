// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// When the engine opens, changes and resolves findings.
@Suite struct EngineTests {
    @Test(arguments: [UInt64(1499), 1500]) func theDebounceIsInclusive(end: UInt64) {
        var it = Host.peerToPeer()
        it.close(1000)
        it.unmap(end)
        it.advance(to: 9000)
        #expect(it.reported == (end < 1500 ? [] : ["stale-mapping high open", "stale-mapping high resolved"]))
    }

    @Test func aConditionThatBeginsAgainWaitsAgain() {
        var it = Host.peerToPeer()
        for round in UInt64(0)..<10 {
            it.close(1000 + round * 600)
            it.open(1000 + round * 600 + 499, by: vmA)
        }
        it.close(9000)
        it.advance(to: 9499)
        #expect(it.reported == [])
        it.advance(to: 9500)
        #expect(it.reported == ["stale-mapping high open"])
        #expect(it.findings[0].since == 9000)
    }

    @Test func deadlinesComeInOrder() {
        var it = Host.peerToPeer(rules: Host.placeRules)
        it.mapNIC(200, iova: 0x1000_0000)
        it.at(1000, .memoryDecode(nic, enabled: false, by: .vfio))
        it.close(1100)
        it.mapNIC(1200, iova: 0x2000_0000)
        it.advance(to: 9000)
        #expect(it.findings.map(\.time) == [1600, 1600, 1700])
        #expect(it.findings.map(\.iova) == [window, 0x1000_0000, 0x2000_0000])
        #expect(it.findings.map(\.id) == [1, 2, 3])
        #expect(it.engine.openFindings.map(\.id) == [1, 2, 3])
    }

    @Test func eachTargetOfAMappingIsItsOwn() {
        var it = Host.peerToPeer(rules: Host.placeRules)
        it.at(200, .extent(Extent(iova: 0x1000, address: 0xe000_0000, size: 0x1000)))
        it.at(200, .extent(Extent(iova: 0x2000, address: nicBar, size: 0x1000)))
        it.at(
            200,
            .map(
                MapRequest(
                    iommu: i1, iova: 0x1000, size: 0x4000, deviceBytes: 0x3000, extentCount: 2, moreExtents: true)))
        it.unmap(300)
        it.close(1000)
        it.advance(to: 2000)
        it.at(3000, .deviceLastClose(DeviceUse(device: gpu)))
        it.advance(to: 4000)
        // With the GPU closed, no device of the container can start a DMA: the first is latent.
        #expect(it.findings.map(\.device) == [nic, gpu, nic])
        #expect(it.findings.map(\.iova) == [0x2000, 0x1000, 0x2000])
        it.unmap(5000, iova: 0x1000)
        #expect(it.reported.suffix(2) == ["stale-mapping medium resolved", "stale-mapping medium resolved"])
        #expect(it.engine.openFindings.isEmpty)
    }

    @Test func teardownResolvesWithoutARemovalEach() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.at(2000, .iommuRelease(i1))
        #expect(it.reported == ["stale-mapping high open", "stale-mapping high resolved"])
        #expect(it.findings[1].until == 2000)
    }

    @Test func aReplacedMappingResolves() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.at(2000, .map(MapRequest(iommu: i1, iova: window, size: size)))
        it.advance(to: 9000)
        #expect(it.reported == ["stale-mapping high open", "stale-mapping high resolved"])
    }

    @Test func timeDoesNotGoBack() {
        var it = Host.peerToPeer(rules: Host.placeRules)
        it.at(1000, .groupOpen(9))
        // Another CPU's record, a little late.
        it.close(990)
        it.unmap(1495)
        #expect(it.reported == [])
        it.mapNIC(1495)
        it.advance(to: 1995)
        #expect(it.findings.map(\.since) == [1495])
    }

    @Test func withoutDebounceFindingsOpenAtTheNextEvent() {
        var it = Host.peerToPeer(debounce: 0)
        it.close(1000)
        #expect(it.reported == [])
        it.unmap(1000)
        #expect(it.reported == ["stale-mapping high open", "stale-mapping high resolved"])
        #expect(it.findings.map(\.time) == [1000, 1000])
    }

    @Test func anEndlessDebounceReportsNothing() {
        var it = Host.peerToPeer(debounce: .max)
        it.close(1000)
        it.advance(to: .max - 1)
        #expect(it.reported == [])
    }

    @Test func finishOpensWhatIsDueAndResolvesNothing() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.pipeline.finish(Evidence(ended: 1500))
        #expect(it.findings.map(\.state) == [.open])
        #expect(it.engine.openFindings.count == 1)
    }

    @Test func onlyTheRulesAskedFor() {
        var it = Host(rules: [RuleRegistry.rule("memory-disabled")!])
        for event in Host.peerToPeer().history { it.apply(event) }
        it.close(1000)
        it.advance(to: 9000)
        #expect(it.reported == [])
    }

    @Test func thousandsOfMappingsOfOneDevice() {
        var it = Host.peerToPeer()
        for number in UInt64(0)..<3000 { it.mapNIC(200 + number, iova: 0x1_0000_0000 + number << 20) }
        it.close(10_000)
        it.advance(to: 20_000)
        #expect(it.findings.count == 3001)
        it.open(30_000, by: vmA)
        #expect(it.engine.openFindings.isEmpty)
    }
}

@Suite struct SeverityChangeTests {
    /// A stale device that someone opens is reset first. That a DMA would not arrive in that moment
    /// is not reported.
    @Test func aFlickerIsSilent() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.advance(to: 2000)
        it.at(3000, .reset(nic, phase: .begin, wholeBus: false))
        it.at(3400, .reset(nic, phase: .end, wholeBus: false))
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping high open"])
    }

    @Test func aChangeThatLastsIsReportedAtItsDeadlineUnderTheSameID() {
        var it = Host.peerToPeer()
        it.close(1000)
        it.advance(to: 2000)
        it.at(3000, .power(nic, state: .d3hot, by: .host))
        it.advance(to: 9000)
        it.at(9500, .power(nic, state: .d0, by: .host))
        it.at(9700, .power(nic, state: .d3hot, by: .host))
        it.at(9800, .power(nic, state: .d0, by: .host))
        it.advance(to: 20000)
        it.unmap(21000)
        #expect(
            it.reported == [
                "stale-mapping high open", "stale-mapping medium open", "stale-mapping high open",
                "stale-mapping high resolved",
            ])
        #expect(it.findings.map(\.time) == [1500, 3500, 10300, 21000])
        #expect(Set(it.findings.map(\.id)).count == 1 && it.findings.allSatisfy { $0.since == 1000 })
    }
}
