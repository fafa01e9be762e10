// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// unsafe-interrupts: a group was attached although the host does not remap interrupts.
@Suite struct UnsafeInterruptsTests {
    private func host(remaps: Bool?) -> Host {
        var it = Host(rules: [RuleRegistry.rule("unsafe-interrupts")!])
        it.graph.remapsInterrupts = remaps
        it.at(1, .deviceInfo(info(nic, group: nicGroup, bar: nicBar)))
        it.at(2, .containerOpen(c1))
        return it
    }

    private func attach(_ it: inout Host, group: UInt32 = nicGroup) {
        it.at(10, .groupAttach(group, c1))
        it.at(11, .iommuOpen(i1, type: 1, container: nil))
        it.at(12, .iommuAttach(i1, group: group, result: 0))
    }

    @Test func anAttachedGroupIsReported() {
        var it = host(remaps: false)
        attach(&it)
        it.advance(to: 5000)
        #expect(it.reported == ["unsafe-interrupts high open"])
        #expect(
            it.findings[0].since == 12 && it.findings[0].container == ContainerID(1) && it.findings[0].device == nil)
        #expect(
            it.findings[0].message
                == "c1 (qemu-a) has 0000:02:00.0 on a host that does not remap interrupts, as "
                + "allow_unsafe_interrupts permits: these devices can raise any interrupt of the host.")
        it.at(6000, .iommuRelease(i1))
        #expect(it.reported.last == "unsafe-interrupts high resolved")
    }

    @Test(arguments: [true, nil] as [Bool?]) func remappedOrNotKnownItIsSilent(_ remaps: Bool?) {
        var it = host(remaps: remaps)
        attach(&it)
        it.advance(to: 5000)
        #expect(it.reported == [])
    }

    /// What the kernel refuses needs no finding.
    @Test func aRefusedGroupIsSilent() {
        var it = host(remaps: false)
        it.at(10, .groupAttach(nicGroup, c1))
        it.at(11, .iommuAttach(i1, group: nicGroup, result: -1))
        it.advance(to: 5000)
        #expect(it.reported == [])
    }

    @Test func emulatedDevicesOnlyAreSilent() {
        var it = host(remaps: false)
        attach(&it, group: 50)
        it.advance(to: 5000)
        #expect(it.reported == [])
    }
}
