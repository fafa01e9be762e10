// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// Times in milliseconds. The lab shows the same on Linux 6.1 (scenario child-keeps-bar).
@Suite struct ChildKeepsBarTests {
    private let child = actor(150, "helper")

    /// VM A has the NIC open, and a child of it has the NIC's BAR from 200 on.
    private func kept(rules: [any Rule] = [RuleRegistry.rule("child-keeps-bar")!]) -> Host {
        var it = Host.peerToPeer(rules: rules)
        it.at(200, area(true), by: child)
        return it
    }

    private func area(_ isKept: Bool, at address: UInt64 = nicBar, size bytes: UInt64 = size) -> Event.Kind {
        .keptBar(KeptBar(device: nic, address: address, size: bytes, isKept: isKept))
    }

    @Test func latentThenPastTheZapThenLetGo() {
        var it = kept()
        it.advance(to: 699)
        #expect(it.reported == [])
        it.advance(to: 700)
        #expect(it.reported == ["child-keeps-bar medium open"])
        #expect(
            it.findings[0].message
                == "helper, pid 150, keeps BAR 0 of 0000:02:00.0 where the kernel cannot take it away: it stays there "
                + "when the device is "
                + "disabled, reset or put to sleep.")
        it.at(1000, .memoryDecode(nic, enabled: false, by: .vfio))
        it.advance(to: 1500)
        #expect(it.reported.last == "child-keeps-bar high open")
        let finding = it.findings[1]
        #expect(
            finding.id == it.findings[0].id && finding.since == 200 && finding.actor == child
                && finding.deviceOwner == vmA)
        #expect(
            finding.container == ContainerID(1) && finding.device == nic && finding.bar == 0 && finding.barOffset == 0
                && finding.size == size)
        #expect(finding.iova == nil && finding.reachable == false && !finding.isOfMapping)
        #expect(
            finding.message.hasPrefix(
                "helper, pid 150, still has BAR 0 of 0000:02:00.0, which the kernel has not taken away from it, though "
                    + "memory decode is off"
            ))
        it.at(2000, .memoryDecode(nic, enabled: true, by: .vfio))
        it.at(3000, area(false), by: child)
        #expect(
            it.reported.suffix(2) == ["child-keeps-bar medium open", "child-keeps-bar medium resolved"]
                && it.findings.last?.until == 3000)
        #expect(it.graph.allKeptAreas.isEmpty)
    }

    /// Each reason for which the kernel takes BARs away; for a part of the BAR the message names
    /// its offsets.
    @Test func asleepOrInReset() {
        for (begin, end) in [
            (Event.Kind.power(nic, state: .d3hot, by: .vfio), Event.Kind.power(nic, state: .d0, by: .vfio)),
            (.reset(nic, phase: .begin, wholeBus: false), .reset(nic, phase: .end, wholeBus: false)),
        ] {
            var it = Host.peerToPeer(rules: [RuleRegistry.rule("child-keeps-bar")!])
            it.at(200, begin)
            it.at(200, area(true, at: nicBar + 0x1000, size: 0x2000), by: child)
            it.advance(to: 1000)
            #expect(it.reported == ["child-keeps-bar high open"])
            #expect(it.findings[0].message.contains("BAR 0 of 0000:02:00.0 (offsets 0x1000…0x2fff)"))
            it.at(2000, end)
            it.advance(to: 3000)
            #expect(it.reported.last == "child-keeps-bar medium open")
        }
    }

    /// A child that execs or exits within the debounce, as most do: fork and exec.
    @Test(arguments: [
        Event.Kind.processExec, .processExit,
        .keptBar(KeptBar(device: nic, address: nicBar, size: size, isKept: false)),
    ])
    func goneBeforeTheDebounce(_ end: Event.Kind) {
        var it = kept()
        it.at(699, end, by: child)
        it.advance(to: 10_000)
        #expect(it.reported == [])
    }

    /// What ends it, and what looks like it: another's exit, another device's close, another part
    /// let go.
    @Test func endsWithItsProcessOrDevice() {
        var it = kept()
        it.advance(to: 1000)
        it.at(1100, .processExit, by: vmB)
        it.at(1101, .deviceLastClose(DeviceUse(device: gpu, group: gpuGroup)))
        it.at(1102, area(false, size: 0x1000), by: child)
        it.at(1103, area(false), by: vmB)
        #expect(it.reported == ["child-keeps-bar medium open"])
        it.at(1200, .processExit, by: child)
        #expect(it.reported.last == "child-keeps-bar medium resolved")
        it = kept()
        it.advance(to: 1000)
        it.close(1200)
        #expect(it.reported.last == "child-keeps-bar medium resolved")
    }

    @Test func eachProcessAndAreaOnce() {
        var it = kept()
        it.at(201, area(true), by: child)
        it.at(202, area(true, at: nicBar + 0x1000, size: 0x1000), by: child)
        it.at(203, area(true), by: vmB)
        it.at(204, area(true, at: 0x1234_0000), by: vmB)
        it.advance(to: 5000)
        #expect(it.reported.count == 3 && it.graph.allKeptAreas.count == 3)
    }

    /// Its own owner: an area that mremap has moved.
    @Test func byTheDevicesUserItself() {
        var it = Host.peerToPeer(rules: [RuleRegistry.rule("child-keeps-bar")!])
        it.at(200, area(true))
        it.advance(to: 1000)
        #expect(it.findings[0].deviceOwner == nil && it.findings[0].actor == vmA)
    }

    /// Other rules do not mind.
    @Test func alone() {
        var it = kept(rules: RuleRegistry.all)
        it.advance(to: 10_000)
        #expect(it.reported == ["child-keeps-bar medium open"])
    }
}
