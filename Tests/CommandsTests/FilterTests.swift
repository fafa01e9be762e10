// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

@testable import Commands

/// Tests which events and findings a filter lets pass.
@Suite("Filters")
struct FilterTests {
    private func filter(_ set: (inout Filter) -> Void) -> Filter {
        var filter = Filter()
        set(&filter)
        return filter
    }

    /// Checks for each condition whether it shows the map of the NIC's BAR by VM A in c1.
    @Test func eventsPassByEachCondition() {
        var graph = Graph()
        for event in Host.peerToPeer().history.dropLast() { _ = graph.apply(event) }
        let event = Host.peerToPeer().history.last!
        let applied = graph.apply(event)
        func shows(_ set: (inout Filter) -> Void) -> Bool { filter(set).shows(event, applied, graph) }
        #expect(shows { _ in })
        #expect(shows { $0.pid = 100 } && !shows { $0.pid = 200 })
        #expect(shows { $0.comm = "qemu-a" } && !shows { $0.comm = "qemu-b" })
        #expect(shows { $0.container = ContainerID(1) } && !shows { $0.container = ContainerID(2) })
        #expect(shows { $0.device = nic } && !shows { $0.device = gpu })
        #expect(shows { $0.cgroup = 0 } && !shows { $0.cgroup = 7 })
        #expect(!shows { $0.group = gpuGroup })
        #expect(!shows { ($0.pid, $0.device) = (100, gpu) })
    }

    @Test func eventsOfADeviceAreOfItsGroup() {
        var host = Host.peerToPeer()
        host.close(1000)
        let event = host.history.last!
        let isShown = filter { $0.group = nicGroup }.shows(event, Applied(), host.graph)
        let isOthersShown = filter { $0.group = gpuGroup }.shows(event, Applied(), host.graph)
        #expect(isShown && !isOthersShown)
    }

    @Test func findingsPassByHolderOwnerContainerAndDevice() {
        var host = Host.peerToPeer(nicIn: c2, nicOpener: vmB)
        host.close(1000, by: vmB)
        host.open(2000, by: vmB)
        host.advance(to: 9000)
        guard let finding = host.findings.last(where: { $0.rule == "isolation-break" }) else {
            Issue.record("no isolation-break")
            return
        }
        func shows(_ set: (inout Filter) -> Void) -> Bool { filter(set).shows(finding, host.graph) }
        #expect(shows { $0.pid = 100 } && shows { $0.pid = 200 } && !shows { $0.pid = 300 })
        #expect(shows { $0.comm = "qemu-a" } && !shows { $0.comm = "systemd" })
        #expect(shows { $0.container = ContainerID(1) } && !shows { $0.container = ContainerID(2) })
        #expect(shows { $0.device = nic } && !shows { $0.device = gpu })
        #expect(shows { $0.group = nicGroup } && !shows { $0.group = gpuGroup })
    }

    @Test func anEmptyFilterHasNoCondition() {
        #expect(Filter().isEmpty && !filter { $0.pid = 1 }.isEmpty)
    }
}
