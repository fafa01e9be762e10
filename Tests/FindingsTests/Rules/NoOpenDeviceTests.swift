// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// When `no-open-device` fires, and when it is silent.
@Suite struct NoOpenDeviceTests {
    @Test func theLastDeviceIsClosed() {
        var it = Host.withRAM("no-open-device")
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .deviceLastClose(gpuUse))
        it.advance(to: 5000)
        #expect(it.reported == ["no-open-device medium open"])
        let finding = it.findings[0]
        #expect(
            finding.container == ContainerID(1) && finding.actor == vmA && finding.since == 1000 && finding.time == 1500
        )
        #expect(
            finding.iova == nil && finding.size == nil && finding.device == nil && finding.bar == nil
                && finding.barOffset == nil && finding.reachable == nil)
        #expect(
            finding.message
                == "c1 (qemu-a) has 1 mapping (4 MiB), and nobody has a device of it open any more (0000:01:00.0): "
                + "whoever opens one next does DMA through them.")
        it.at(6000, .deviceFirstOpen(gpuUse))
        #expect(it.reported.last == "no-open-device medium resolved" && it.findings.last?.until == 6000)
    }

    @Test func aVMMThatMapsBeforeItOpensIsInOrder() {
        var it = Host.withRAM("no-open-device")
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }

    /// The device was in use before the container was made, by somebody else.
    @Test func whatWasOpenBeforeDoesNotCount() {
        var it = Host(rules: [RuleRegistry.rule("no-open-device")!])
        it.at(1, .deviceFirstOpen(gpuUse), by: vmB)
        it.at(2, .deviceLastClose(gpuUse), by: vmB)
        it.at(3, .groupAttach(gpuGroup, c1))
        it.at(4, .iommuAttach(i1, group: gpuGroup, result: 0))
        it.mapRAM(5, iova: 0)
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }

    @Test func oneOpenDeviceIsEnough() {
        var it = Host.peerToPeer(rules: [RuleRegistry.rule("no-open-device")!])
        it.close(1000)
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }

    @Test func aGroupWithoutPCIDevicesIsNotJudged() {
        var it = Host.withRAM("no-open-device")
        it.at(7, .groupAttach(77, c1))
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .deviceLastClose(gpuUse))
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }

    @Test func withoutMappingsThereIsNothing() {
        var it = Host.withRAM("no-open-device")
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .deviceLastClose(gpuUse))
        it.remove(1400, iova: 0, size: 0x40_0000)
        it.advance(to: 5000)
        #expect(it.reported == [])
        it.mapRAM(6000, iova: 0)
        it.advance(to: 9000)
        #expect(it.reported == ["no-open-device medium open"] && it.findings[0].since == 6000)
    }
}
