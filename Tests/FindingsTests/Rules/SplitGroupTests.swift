// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// split-group: functions of a container's group that its user does not have.
@Suite struct SplitGroupTests {
    /// The NIC's sibling is in its group; a bridge and a root port can be, too.
    private func container(sibling driver: String = "", sharing group: UInt32 = nicGroup) -> Host {
        var it = Host(rules: [RuleRegistry.rule("split-group")!])
        var bridge = info(PCIAddress("0000:00:1c.0")!, group: nicGroup, bar: 0xd000_0000, driver: "pcieport")
        bridge.classCode = 0x060400
        it.at(1, .deviceInfo(bridge), by: host)
        it.at(1, .deviceInfo(info(nic, group: nicGroup, bar: nicBar)), by: host)
        it.at(1, .deviceInfo(info(nicSibling, group: group, bar: 0xf100_0000, driver: driver)), by: host)
        it.at(2, .containerOpen(c1))
        it.at(3, .groupAttach(nicGroup, c1))
        it.at(4, .iommuOpen(i1, type: 1, container: nil))
        it.at(5, .iommuAttach(i1, group: nicGroup, result: 0))
        it.open(6, by: vmA)
        return it
    }

    @Test func aSiblingThatNobodyHas() {
        var it = container()
        it.advance(to: 5000)
        #expect(it.reported == ["split-group info open"])
        #expect(it.findings[0].since == 5 && it.findings[0].actor == vmA && it.findings[0].device == nil)
        #expect(
            it.findings[0].message
                == "c1 (qemu-a) has group 2 of 2 functions, which the IOMMU cannot tell apart. These are not "
                + "open: 0000:02:00.1 (no driver). Their DMA goes into the container's memory.")
        it.at(6000, .groupDetach(nicGroup, c1))
        #expect(it.reported.last == "split-group info resolved")
    }

    @Test func aHostDriverIsHigh() {
        var it = container(sibling: "vfio-pci")
        it.advance(to: 5000)
        it.at(6000, .driverBind(DeviceInfo(device: nicSibling, driver: DriverName("ixgbe"))), by: host)
        it.advance(to: 8000)
        it.at(9000, .driverUnbind(DeviceInfo(device: nicSibling, driver: DriverName("ixgbe"))), by: host)
        it.advance(to: 20_000)
        #expect(it.reported == ["split-group info open", "split-group high open", "split-group info open"])
        #expect(it.findings[1].message.contains("0000:02:00.1 (ixgbe)"))
    }

    @Test func allOpenIsInOrder() {
        var it = container(sibling: "vfio-pci")
        it.at(100, .deviceFirstOpen(DeviceUse(device: nicSibling, group: nicGroup)))
        it.advance(to: 5000)
        #expect(it.reported == [])
        it.at(6000, .deviceLastClose(DeviceUse(device: nicSibling, group: nicGroup)))
        it.advance(to: 20_000)
        #expect(it.reported == ["split-group info open"])
    }

    /// A bridge in the group is no second function, and a neighbour in another group none of its.
    @Test func oneFunctionOfItsOwnIsSilent() {
        var it = container(sharing: 7)
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }

    @Test func aFunctionThatIsRemovedDoesNotCount() {
        var it = container()
        it.at(100, .deviceRemove(nicSibling), by: host)
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }
}
