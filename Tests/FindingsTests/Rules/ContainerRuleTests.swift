import Events
import Findings
import MappingGraph
import Testing

/// no-open-device, no-container-fd, creator-gone, mapping-budget, vaddr-invalid.
@Suite struct ContainerRuleTests {
    /// One container with the GPU in it, open, and one mapping of RAM.
    private func plain(_ rule: String, debounce: UInt64 = 500) -> Host {
        var it = Host(rules: [RuleRegistry.rule(rule)!], debounce: debounce)
        it.at(1, .deviceInfo(info(gpu, group: gpuGroup, bar: 0xe000_0000)), by: host)
        it.at(2, .containerOpen(c1))
        it.at(3, .groupAttach(gpuGroup, c1))
        it.at(4, .iommuOpen(i1, type: 1, container: nil))
        it.at(5, .iommuAttach(i1, group: gpuGroup, result: 0))
        it.mapRAM(6, iova: 0, size: 0x40_0000)
        return it
    }

    private let gpuUse = DeviceUse(device: gpu, group: gpuGroup)

    // MARK: no-open-device

    @Test func theLastDeviceIsClosed() {
        var it = plain("no-open-device")
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .deviceLastClose(gpuUse))
        it.advance(to: 5000)
        #expect(it.said == ["no-open-device medium open"])
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
        #expect(it.said.last == "no-open-device medium resolved" && it.findings.last?.until == 6000)
    }

    @Test func aVMMThatMapsBeforeItOpensIsInOrder() {
        var it = plain("no-open-device")
        it.advance(to: 1_000_000)
        #expect(it.said == [])
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
        #expect(it.said == [])
    }

    @Test func oneOpenDeviceIsEnough() {
        var it = Host.peerToPeer(rules: [RuleRegistry.rule("no-open-device")!])
        it.close(1000)
        it.advance(to: 1_000_000)
        #expect(it.said == [])
    }

    @Test func aGroupWithoutPCIDevicesIsNotJudged() {
        var it = plain("no-open-device")
        it.at(7, .groupAttach(77, c1))
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .deviceLastClose(gpuUse))
        it.advance(to: 1_000_000)
        #expect(it.said == [])
    }

    @Test func withoutMappingsThereIsNothing() {
        var it = plain("no-open-device")
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .deviceLastClose(gpuUse))
        it.remove(1400, iova: 0, size: 0x40_0000)
        it.advance(to: 5000)
        #expect(it.said == [])
        it.mapRAM(6000, iova: 0)
        it.advance(to: 9000)
        #expect(it.said == ["no-open-device medium open"] && it.findings[0].since == 6000)
    }

    /// To take out many mappings can take longer than the debounce.
    @Test(arguments: ["no-open-device", "no-container-fd", "creator-gone"]) func aTeardownIsNoDefectHoweverSlow(
        rule: String
    ) {
        var it = plain(rule)
        it.mapRAM(8, iova: 0x1000_0000)
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .processExit)
        it.at(1001, .containerClose(c1))
        it.at(1002, .deviceLastClose(gpuUse))
        it.remove(1400, iova: 0, size: 0x40_0000, cause: .teardown)
        it.advance(to: 90_000)
        it.remove(90_000, iova: 0x1000_0000, cause: .teardown)
        it.at(90_001, .iommuRelease(i1))
        it.at(90_002, .groupDetach(gpuGroup, c1))
        it.advance(to: 1_000_000)
        #expect(it.said == [])
    }

    // MARK: no-container-fd

    @Test func theContainersDescriptorIsClosed() {
        var it = plain("no-container-fd")
        it.at(1000, .containerClose(c1))
        it.advance(to: 5000)
        #expect(it.said == ["no-container-fd medium open"])
        #expect(
            it.findings[0].message
                == "c1 (qemu-a) has 1 mapping (4 MiB) in force, kept by group 1, but its last descriptor is closed: "
                + "nobody can unmap them."
        )
        it.at(6000, .iommuRelease(i1))
        #expect(it.said.last == "no-container-fd medium resolved")
    }

    @Test func closedFirstAndTheRestSoonAfter() {
        var it = plain("no-container-fd")
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .containerClose(c1))
        it.at(1100, .deviceClose(DeviceUse(device: gpu, group: gpuGroup, openCount: 0)))
        it.at(1101, .reset(gpu, phase: .begin, wholeBus: false))
        it.at(3000, .reset(gpu, phase: .end, wholeBus: false))
        it.at(3001, .deviceLastClose(gpuUse))
        it.remove(3300, iova: 0, size: 0x40_0000, cause: .teardown)
        it.at(3301, .iommuRelease(i1))
        it.advance(to: 1_000_000)
        #expect(it.said == [])
    }

    // MARK: creator-gone

    @Test func theCreatorExitsAndNobodyIsKnownToHaveIt() {
        var it = plain("creator-gone")
        it.at(1000, .processExit)
        it.advance(to: 5000)
        #expect(it.said == ["creator-gone medium open"])
        #expect(
            it.findings[0].actor == vmA
                && it.findings[0].message.hasPrefix(
                    "1 of 1 mapping (4 MiB) of c1 was made by a process that has exited (qemu-a, pid 100)")
        )
        it.remove(6000, iova: 0, size: 0x40_0000)
        #expect(it.said.last == "creator-gone medium resolved")
    }

    @Test func aHelperThatMappedForALivingProcess() {
        var it = plain("creator-gone")
        it.mapRAM(8, iova: 0x1000_0000, by: vmB)
        it.mapRAM(9, iova: 0x2000_0000, by: vmB)
        it.at(1000, .processExit, by: vmB)
        it.advance(to: 5000)
        #expect(it.said == ["creator-gone low open"])
        #expect(it.findings[0].actor == vmB && it.findings[0].message.hasPrefix("2 of 3 mappings"))
        it.remove(6000, iova: 0x2000_0000)
        #expect(it.said.count == 1)
        // The other one goes: there is no other event to judge it by.
        it.remove(6001, iova: 0x1000_0000)
        #expect(it.said.last == "creator-gone low resolved")
    }

    @Test func whoeverHasADeviceOpenMakesItLow() {
        var it = plain("creator-gone")
        it.at(10, .deviceFirstOpen(gpuUse), by: vmB)
        it.at(1000, .processExit)
        it.advance(to: 5000)
        it.at(6000, .processExit, by: vmB)
        it.advance(to: 9000)
        #expect(it.said == ["creator-gone low open", "creator-gone medium open"])
    }

    @Test func aProcessThatMadeNoneOfThemMayExit() {
        var it = plain("creator-gone")
        it.at(1000, .processExit, by: vmB)
        it.advance(to: 5000)
        it.mapRAM(6000, iova: 0x1000_0000, by: vmB)
        it.remove(6100, iova: 0x1000_0000, by: vmB)
        it.advance(to: 9000)
        #expect(it.said == [])
    }

    // MARK: mapping-budget

    @Test func nearlyAllMappingsUsed() {
        var it = plain("mapping-budget")
        it.graph.mappingLimit = 100
        for number in UInt64(1)...93 { it.mapRAM(100 + number, iova: 0x1000_0000 + number << 12) }
        it.advance(to: 5000)
        #expect(it.said == [] && it.graph.mappingCount(in: ContainerID(1)) == 94)
        it.mapRAM(6000, iova: 0x9000_0000)
        it.advance(to: 7000)
        #expect(
            it.said == ["mapping-budget low open"]
                && it.findings[0].message.hasPrefix("c1 (qemu-a) has 95 of 100 mappings"))
        for number in UInt64(1)...5 { it.remove(8000 + number, iova: 0x1000_0000 + number << 12) }
        #expect(it.said.count == 1 && it.graph.mappingCount(in: ContainerID(1)) == 90)
        it.remove(9000, iova: 0x9000_0000)
        #expect(it.said.last == "mapping-budget low resolved")
        it.mapRAM(9100, iova: 0x9000_0000)
        it.advance(to: 20_000)
        #expect(it.said.count == 2)
    }

    // MARK: vaddr-invalid

    private let minute: UInt64 = 60_000_000_000

    @Test func aLiveUpdateThatNeverEnds() {
        var it = plain("vaddr-invalid")
        it.mapRAM(8, iova: 0x1000_0000, size: 0x10_0000)
        it.unmapReturns(1000, iova: 0, size: 0x40_0000, flags: 4)
        it.advance(to: 999 + minute)
        #expect(it.said == [])
        it.advance(to: 1000 + minute)
        #expect(it.said == ["vaddr-invalid medium open"])
        #expect(
            it.findings[0].message
                == "4 MiB of 2 mappings (5 MiB) of c1 have no user address: qemu-a (pid 100) took it away, and nobody "
                + "gave one back."
        )
        it.at(
            2000 + minute,
            .map(Map(iommu: i1, iova: 0, size: 0x40_0000, readable: false, writable: false, vaddrOnly: true)), by: vmB)
        #expect(it.said.last == "vaddr-invalid medium resolved")
    }

    @Test func aLiveUpdateThatEnds() {
        var it = plain("vaddr-invalid")
        it.mapRAM(8, iova: 0x1000_0000, size: 0x10_0000)
        it.unmapReturns(1000, iova: 0, size: 0x50_0000, flags: 6)
        it.at(30_000, .map(Map(iommu: i1, iova: 0, size: 0x40_0000, vaddrOnly: true)), by: vmB)
        // The other one is unmapped for good.
        it.remove(40_000, iova: 0x1000_0000, size: 0x10_0000)
        it.mapRAM(41_000, iova: 0x1000_0000, size: 0x10_0000)
        it.advance(to: 10 * minute)
        // What was given back counts in bytes, so unmapping something else leaves the rest.
        #expect(it.graph.container(ContainerID(1))?.vaddrInvalid == 0x10_0000)
        it.at(11 * minute, .map(Map(iommu: i1, iova: 0x1000_0000, size: 0x10_0000, vaddrOnly: true)), by: vmB)
        #expect(it.said == ["vaddr-invalid medium open", "vaddr-invalid medium resolved"])
    }

    @Test func anInvalidationThatFailedIsNone() {
        var it = plain("vaddr-invalid")
        it.unmapReturns(1000, iova: 0, size: 0x40_0000, flags: 4, result: -22)
        it.advance(to: 2 * minute)
        #expect(it.said == [])
    }

    // MARK: The engine

    @Test func aPolicyMaySetAnotherDuration() {
        var it = plain("vaddr-invalid")
        it.engine = Engine(rules: it.engine.rules, debounce: 500, durations: ["vaddr-invalid": 2000])
        it.unmapReturns(1000, iova: 0, size: 0x40_0000, flags: 4)
        it.advance(to: 2999)
        #expect(it.said == [])
        it.advance(to: 3000)
        #expect(it.said == ["vaddr-invalid medium open"])
    }

    /// Otherwise a map or unmap would cost what judging its container costs.
    @Test func ordinaryMapsAreNoNewsOfTheirContainer() {
        var it = plain("no-open-device")
        for number in UInt64(1)...50 {
            let map = it.graph.apply(
                Event(time: 100, actor: vmA, kind: .map(Map(iommu: i1, iova: number << 24, size: 0x1000))))
            #expect(map.containerChange == .nothing && !map.isUnusual)
        }
        let removal = it.graph.apply(
            Event(
                time: 100, actor: vmA,
                kind: .mappingRemoved(MappingRemoved(iommu: i1, iova: 1 << 24, size: 0x1000, cause: .request))))
        let request = it.graph.apply(
            Event(
                time: 100, actor: vmA,
                kind: .unmapRequest(UnmapRequest(iommu: i1, iova: 1 << 24, size: 0x1000, flags: 0, result: 0))))
        #expect(removal.containerChange == .nothing && request.containerChange == .nothing && !request.isUnusual)
    }
}
