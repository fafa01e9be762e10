// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import MappingGraph

/// Tests the state of devices from their first open to their removal.
@Suite struct GraphDeviceTests {
    @Test func firstOpenToLastClose() {
        var graph = Graph.prepared()
        graph.apply(10, .power(gpu, state: .d3hot, by: .host))
        graph.apply(11, .reset(gpu, phase: .begin, wholeBus: false))
        graph.apply(12, .deviceFirstOpen(DeviceUse(device: gpu, group: gpuGroup, memoryEnabled: true)), by: vmA)
        graph.apply(13, .deviceOpen(DeviceUse(device: gpu, group: gpuGroup, openCount: 1)), by: vmB)
        var device = graph.device(gpu)!
        #expect(device.isOpen && device.openGeneration == 1 && device.openDescriptors == 1)
        #expect(device.opener?.process == vmA.process && device.opened == 12)
        #expect(device.power == .d0 && device.resetDepth == 0 && device.isReachable)
        graph.apply(14, .memoryDecode(gpu, enabled: false, by: .vfio))
        #expect(!graph.device(gpu)!.isReachable)
        graph.apply(15, .deviceClose(DeviceUse(device: gpu, openCount: 0)))
        #expect(graph.device(gpu)!.isOpen)
        graph.apply(16, .deviceLastClose(DeviceUse(device: gpu)))
        device = graph.device(gpu)!
        #expect(!device.isOpen && device.lastClosed == 16)
        // The state saved at open is restored.
        #expect(device.memoryEnabled)
        graph.apply(17, .deviceFirstOpen(DeviceUse(device: gpu, memoryEnabled: false)))
        #expect(graph.device(gpu)!.openGeneration == 2 && !graph.device(gpu)!.memoryEnabled)
    }

    @Test func descriptorsAreCountedWhereTheKernelDoesNot() {
        var graph = Graph.prepared()
        graph.apply(1, .deviceFirstOpen(DeviceUse(device: gpu)))
        graph.apply(2, .deviceOpen(DeviceUse(device: gpu)))
        graph.apply(3, .deviceOpen(DeviceUse(device: gpu)))
        #expect(graph.device(gpu)!.openDescriptors == 2)
        for time in UInt64(4)..<8 { graph.apply(time, .deviceClose(DeviceUse(device: gpu))) }
        #expect(graph.device(gpu)!.openDescriptors == 0)
    }

    @Test func aLateStartMakesADeviceOpen() {
        var graph = Graph()
        #expect(
            graph.apply(5, .deviceOpen(DeviceUse(device: gpu, group: gpuGroup, openCount: 2)), by: vmB).affects
                == .device(gpu))
        let device = graph.device(gpu)!
        #expect(
            device.isOpen && device.openGeneration == 1 && device.opener?.process == vmB.process
                && !device.isDriverKnown)
    }

    @Test func devicesThatAreNotPCIAreLeftOut() {
        var graph = Graph()
        for kind: Event.Kind in [
            .deviceOpen(DeviceUse(device: nil)), .deviceClose(DeviceUse(device: nil)),
            .deviceFirstOpen(DeviceUse(device: nil)),
            .deviceLastClose(DeviceUse(device: nil)),
        ] {
            #expect(graph.apply(1, kind).affects == .nothing)
        }
        #expect(graph.devices.isEmpty)
    }

    @Test func driversComeAndGo() {
        var graph = Graph.prepared()
        // The kernel names the driver that leaves.
        graph.apply(10, .driverUnbind(DeviceInfo(device: gpu, driver: DriverName("vfio-pci"))))
        #expect(graph.device(gpu)!.info.driver.isEmpty && graph.device(gpu)!.isDriverKnown)
        graph.apply(11, .driverBind(DeviceInfo(device: gpu, driver: DriverName("e1000e"))))
        #expect(graph.device(gpu)!.info.driver.string == "e1000e")
        #expect(graph.device(gpu)!.info.vendorID == 0x8086 && graph.device(gpu)!.group == gpuGroup)
        graph.apply(12, .deviceRemove(gpu))
        #expect(graph.device(gpu)!.isRemoved && !graph.device(gpu)!.isReachable)
        graph.apply(13, .deviceInfo(info(gpu, group: 9, bar: gpuBar)))
        #expect(!graph.device(gpu)!.isRemoved && graph.device(gpu)!.group == 9)
    }

    @Test func aBusResetHoldsEveryDeviceOnTheBus() {
        var graph = Graph.prepared()
        graph.apply(1, .deviceInfo(info(nicSibling, group: nicGroup, bar: 0xf800_0000)))
        #expect(graph.apply(10, .reset(nic, phase: .begin, wholeBus: true)).affects == .bus(nic))
        #expect([gpu, nic, nicSibling].map { graph.device($0)!.resetDepth } == [0, 1, 1])
        graph.apply(11, .reset(nic, phase: .begin, wholeBus: false))
        graph.apply(12, .reset(nic, phase: .end, wholeBus: false))
        #expect(!graph.device(nic)!.isReachable)
        graph.apply(13, .reset(nic, phase: .end, wholeBus: true))
        #expect(graph.device(nic)!.isReachable)
        // The end of a reset whose beginning was not seen.
        graph.apply(14, .reset(nic, phase: .end, wholeBus: true))
        #expect([nic, nicSibling].map { graph.device($0)!.resetDepth } == [0, 0])
    }

    @Test func powerStates() {
        var graph = Graph.prepared()
        for (state, reachable) in [(PowerState.d1, true), (.d2, true), (.d3hot, false), (.d3cold, false), (.d0, true)] {
            graph.apply(1, .power(gpu, state: state, by: .host))
            #expect(graph.device(gpu)!.isReachable == reachable)
        }
        graph.apply(2, .power(gpu, state: .d3hot, by: .host))
        #expect(graph.apply(3, .power(gpu, state: .unknown, by: .host)).affects == .nothing)
        #expect(graph.device(gpu)!.power == .d3hot)
    }

    @Test func processesHaveNames() {
        var graph = Graph()
        graph.apply(1, .processInfo(ProcessInfo(exe: ShortText("/usr/bin/qemu"), vm: ShortText("web-1"))), by: vmA)
        #expect(graph.displayName(for: vmA) == "web-1")
        #expect(graph.displayName(for: vmB) == "qemu-b")
        #expect(graph.displayName(for: actor(7, "")) == "pid 7")
        #expect(graph.processInfo(for: vmA.process)?.exe.string == "/usr/bin/qemu")
        #expect(graph.isSamePrincipal(vmA, vmB) == false)
        graph.apply(2, .processInfo(ProcessInfo(exe: ShortText(), vm: ShortText("web-1"))), by: vmB)
        #expect(graph.isSamePrincipal(vmA, vmB) == true)
        graph.apply(3, .loss(since: 2, lost: 9))
        #expect(graph.lastGap == Gap(since: 2, until: 3, lost: 9))
    }
}
