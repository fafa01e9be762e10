// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import MappingGraph

// Tests snapshots: of an untraced host, after a loss, and repeated.

private let k1 = ContainerID(1), k2 = ContainerID(2)

@Suite struct GraphSnapshotTests {
    /// The kernel shows a group in its container until the last mapping of it is removed.
    @Test func aGroupThatIsBeingDetached() {
        var graph = Graph.traced()
        graph.beginWalk(50, finding: 0x1000, 0x2000, 0x3000)
        graph.endWalk(60, mappings: 3)
        graph.apply(70, .deviceLastClose(DeviceUse(device: gpu, group: gpuGroup)))
        graph.apply(71, .groupDetach(gpuGroup, c1))
        graph.apply(72, .mappingRemoved(MappingRemoved(iommu: i1, iova: 0x1000, size: 0x1000, cause: .teardown)))
        graph.apply(80, .snapshotBegin, by: host)
        let found = graph.apply(81, .snapshotGroup(gpuGroup, c1), by: host)
        #expect(found.container == k1 && found.affects == .nothing)
        graph.apply(82, .snapshotContainer(c1, iommu: i1, type: 3), by: host)
        graph.apply(83, .snapshotEnd, by: host)
        #expect(graph.lastSnapshot?.differences == 0 && graph.groups[gpuGroup]?.container == nil)
        // It is attached again: then a snapshot that shows it elsewhere counts.
        graph.apply(90, .groupAttach(gpuGroup, c1))
        #expect(graph.groups[gpuGroup]?.container == k1)
    }

    // MARK: A host that was never traced

    @Test func neverTraced() throws {
        var graph = Graph()
        graph.apply(1, .deviceInfo(info(gpu, group: gpuGroup, bar: gpuBar)))
        graph.apply(1, .deviceInfo(info(nic, group: nicGroup, bar: nicBar)))
        graph.apply(100, .snapshotBegin, by: host)
        graph.apply(
            101,
            .snapshotDevice(
                SnapshotDevice(device: gpu, group: gpuGroup, openCount: 2, memoryEnabled: false, power: .d3hot)),
            by: host)
        graph.apply(
            101,
            .snapshotDevice(SnapshotDevice(device: nic, group: nicGroup, openCount: 0, memoryEnabled: nil, power: .d0)),
            by: host)
        #expect(graph.apply(102, .snapshotGroup(gpuGroup, c1), by: host).newContainer == true)
        #expect(graph.apply(102, .snapshotGroup(nicGroup, nil), by: host).container == nil)
        let found = graph.apply(103, .snapshotContainer(c1, iommu: i1, type: 3), by: host)
        #expect(found.container == k1 && !found.newContainer == true)
        let second = graph.apply(104, .snapshotContainer(c2, iommu: nil, type: 0), by: host)
        #expect(second.container == k2 && second.newContainer == true)
        #expect(graph.apply(105, .snapshotHolder(.container(c1), byMapping: false), by: vmA).container == k1)
        graph.apply(105, .snapshotHolder(.container(c1), byMapping: false), by: vmB)
        graph.apply(105, .snapshotHolder(.group(gpuGroup), byMapping: false), by: vmA)
        #expect(graph.apply(105, .snapshotHolder(.device(gpu), byMapping: true), by: vmB).affects == .device(gpu))
        #expect(graph.apply(106, .walkBegin(i1), by: host).container == k1)
        #expect(graph.find(107, i1, 0x1000).peer == nil)
        let peer = try unwrapped(graph.find(107, i1, 0x10_0000, size: 0x2000, to: nicBar + 0x3000).peer)
        #expect(graph.apply(108, .walkEnd(i1, mappings: 2, consistent: true), by: host).container == k1)
        let ended = graph.apply(109, .snapshotEnd, by: host)
        #expect(ended.affects == .nothing && !ended.cleared && ended.missing.isEmpty)

        #expect(graph.containers.map(\.id) == [k1, k2])
        let container = try unwrapped(graph.container(k1))
        #expect(
            container.iommu == i1 && container.iommuType == 3 && container.groups == [gpuGroup]
                && container.provenance == .snapshot)
        #expect(container.opener == vmA && container.closed == nil)
        #expect(
            graph.container(k2)?.iommu == nil && graph.container(k2)?.opener == nil
                && graph.container(k2)?.provenance == .snapshot)
        #expect(graph.groups[gpuGroup]?.container == k1 && graph.groups[gpuGroup]?.opener == vmA)
        #expect(graph.groups[nicGroup]?.container == nil)
        let device = try unwrapped(graph.device(gpu))
        #expect(device.isOpen && device.openDescriptors == 2 && device.opener == vmB && device.group == gpuGroup)
        #expect(!device.memoryEnabled && device.power == .d3hot && !device.isReachable)
        #expect(graph.device(nic)?.isOpen == false)
        #expect(graph.mappings(in: k1).map(\.provenance) == [.snapshot, .snapshot])
        #expect(graph.starts() == [0x1000, 0x10_0000] && graph.mappedBytes(in: k1) == 0x3000)
        let mapping = try unwrapped(graph.peer(peer))
        #expect(mapping.provenance == .snapshot && mapping.creator == vmA)
        #expect(mapping.targets == [Target(device: nic, bar: 0, barOffset: 0x3000, iova: 0x10_0000, size: 0x2000)])
        #expect(mapping.openGenerations == [0])
    }

    /// Either the container or its groups may be found first.
    @Test func containerBeforeGroup() {
        var graph = Graph()
        graph.apply(1, .snapshotBegin, by: host)
        #expect(graph.apply(2, .snapshotContainer(c1, iommu: i1, type: 1), by: host).newContainer == true)
        #expect(graph.apply(3, .snapshotGroup(gpuGroup, c1), by: host).newContainer == false)
        graph.apply(4, .snapshotEnd, by: host)
        #expect(graph.container(for: i1)?.groups == [gpuGroup] && graph.allContainers.count == 1)
    }

    /// A map between attaching and the snapshot has led to an inferred container, whose key is
    /// unknown.
    @Test func anInferredContainerGetsItsName() {
        var graph = Graph()
        graph.apply(1, .map(MapRequest(iommu: i1, iova: 0x5000, size: 0x1000)))
        graph.apply(2, .snapshotBegin, by: host)
        let found = graph.apply(3, .snapshotContainer(c1, iommu: i1, type: 3), by: host)
        #expect(found.container == k1 && !found.newContainer && !found.cleared == true)
        #expect(graph.container(for: c1)?.id == k1 && graph.container(k1)?.iommuType == 3 && graph.starts() == [0x5000])
    }

    // MARK: After a loss

    /// Records of the snapshot itself are lost. Then objects that it does not show prove nothing,
    /// and the gap stays open until the next snapshot.
    @Test func aLossDuringTheSnapshot() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.apply(20, .snapshotBegin, by: host)
        graph.apply(21, .loss(since: 10, lost: 1), by: host)
        graph.apply(30, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x1000, 0x2000, 0x3000] && graph.lastSnapshot == nil)
        #expect(graph.gaps == [Gap(since: 9, until: 21, lost: 4, recovered: nil)])
        #expect(graph.evidenceSpans(began: 1, ended: 40) == [EvidenceSpan(from: 1, until: 9)])
        graph.apply(40, .snapshotBegin, by: host)
        graph.apply(50, .snapshotEnd, by: host)
        #expect(graph.containers.isEmpty && graph.gaps == [Gap(since: 9, until: 21, lost: 4, recovered: 50)])
        #expect(graph.evidenceSpans(began: 1, ended: 60) == [EvidenceSpan(from: 50, until: 60)])
    }

    /// The detach of its last group was not seen. The container still exists, but its IOMMU side is
    /// gone, and the mappings with it.
    @Test func aContainerWithoutItsIOMMUSide() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.apply(20, .snapshotBegin, by: host)
        graph.apply(21, .snapshotContainer(c1, iommu: nil, type: 0), by: host)
        graph.apply(30, .snapshotEnd, by: host)
        #expect(
            graph.mappingCount(in: k1) == 0 && graph.container(for: i1) == nil && graph.container(for: c1)?.id == k1)
        #expect(graph.lastSnapshot?.removed == 3)
    }

    @Test(arguments: [true, false]) func whatIsNotShown(afterLoss: Bool) {
        var graph = Graph.traced()
        graph.apply(9, .groupAttach(nicGroup, c1))
        graph.apply(9, .deviceFirstOpen(DeviceUse(device: nic, group: nicGroup)))
        let peer = graph.map(9, i1, 0x10_0000, to: nicBar, size: 0x1000).peer!
        graph.apply(9, .containerOpen(c2))
        if afterLoss { graph.apply(10, .loss(since: 9, lost: 3), by: host) }
        graph.apply(20, .snapshotBegin, by: host)
        let ended = graph.apply(30, .snapshotEnd, by: host)
        #expect(ended.affects == (afterLoss ? .everything : .nothing) && ended.cleared == afterLoss)
        #expect(graph.containers.map(\.id) == (afterLoss ? [] : [k1, k2]))
        #expect((graph.container(for: c1) == nil) == afterLoss && (graph.container(for: i1) == nil) == afterLoss)
        #expect(
            (graph.groups[gpuGroup]?.container == nil) == afterLoss
                && (graph.groups[nicGroup]?.container == nil) == afterLoss)
        #expect(graph.device(gpu)?.isOpen == !afterLoss && graph.device(nic)?.isOpen == !afterLoss)
        #expect(graph.device(nic)?.lastClosed == (afterLoss ? 30 : nil))
        #expect(graph.mappingCount(in: k1) == (afterLoss ? 0 : 4) && (graph.peer(peer) == nil) == afterLoss)
        #expect(graph.container(k1)?.closed == (afterLoss ? 30 : nil))
    }

    @Test func closedAndPartedAfterALoss() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.apply(20, .snapshotBegin, by: host)
        #expect(
            graph.apply(
                21,
                .snapshotDevice(
                    SnapshotDevice(device: gpu, group: gpuGroup, openCount: 0, memoryEnabled: nil, power: .d0)),
                by: host
            ).affects == .device(gpu))
        #expect(graph.device(gpu)?.isOpen == false && graph.device(gpu)?.lastClosed == 21)
        #expect(graph.apply(22, .snapshotGroup(gpuGroup, nil), by: host).affects == .group(gpuGroup))
        #expect(graph.groups[gpuGroup]?.container == nil && graph.container(k1)?.groups == [])
        // Without a loss, the event of that change is still to come.
        graph = Graph.traced()
        graph.apply(20, .snapshotBegin, by: host)
        graph.apply(
            21,
            .snapshotDevice(SnapshotDevice(device: gpu, group: gpuGroup, openCount: 0, memoryEnabled: nil, power: .d0)),
            by: host)
        graph.apply(22, .snapshotGroup(gpuGroup, nil), by: host)
        #expect(graph.device(gpu)?.isOpen == true && graph.groups[gpuGroup]?.container == k1)
    }

    /// The end of a reset was lost, and the event that the device went to sleep. Its mappings must
    /// be neither unreachable forever nor reachable meanwhile.
    @Test(arguments: [true, false]) func aResetWithoutEnd(isOpen: Bool) {
        var graph = Graph.traced()
        graph.apply(9, .reset(gpu, phase: .begin, wholeBus: false))
        if !isOpen { graph.apply(9, .deviceLastClose(DeviceUse(device: gpu, group: gpuGroup))) }
        let found = SnapshotDevice(
            device: gpu, group: gpuGroup, openCount: isOpen ? 1 : 0, memoryEnabled: isOpen ? true : nil, power: .d3hot)
        graph.apply(20, .snapshotBegin, by: host)
        graph.apply(21, .snapshotDevice(found), by: host)
        graph.apply(22, .snapshotEnd, by: host)
        // As long as nothing was lost, the end of the reset is still to come.
        #expect(graph.device(gpu)?.resetDepth == 1 && graph.device(gpu)?.power == .d3hot)
        graph.apply(30, .loss(since: 25, lost: 3), by: host)
        graph.apply(40, .snapshotBegin, by: host)
        #expect(graph.apply(41, .snapshotDevice(found), by: host).affects == .device(gpu))
        #expect(graph.device(gpu)?.resetDepth == 0 && graph.device(gpu)?.power == .d3hot)
    }

    @Test func whatWasOpenedDuringTheSnapshotStays() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.findRoots(20)
        graph.apply(21, .containerOpen(c2))
        graph.apply(21, .deviceFirstOpen(DeviceUse(device: nic, group: nicGroup)))
        graph.apply(22, .snapshotEnd, by: host)
        #expect(graph.container(for: c2)?.isAlive == true && graph.device(nic)?.isOpen == true)
    }

    @Test func aGroupThatCameDuringTheSnapshotStays() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.findRoots(20)
        graph.apply(21, .groupAttach(nicGroup, c1))
        graph.apply(22, .snapshotEnd, by: host)
        #expect(graph.groups[nicGroup]?.container == k1)
    }

    // MARK: Again

    @Test(arguments: [true, false]) func aSecondSnapshotChangesNothing(afterLoss: Bool) {
        var graph = Graph()
        graph.apply(1, .deviceInfo(info(gpu, group: gpuGroup, bar: gpuBar)))
        /// Returns for each event of a snapshot whether it reports nothing new.
        func snapshot(_ time: UInt64, _ graph: inout Graph) -> [Bool] {
            func isKnown(_ applied: consuming Applied) -> Bool {
                applied.known && applied.removed == nil && applied.peer == nil && applied.missing.isEmpty
                    && applied.affects == .nothing
            }
            graph.findRoots(time)
            graph.apply(time, .walkBegin(i1), by: host)
            let found = [
                isKnown(graph.find(time, i1, 0x1000)), isKnown(graph.find(time, i1, 0x2000, to: gpuBar)),
                isKnown(graph.find(time, i1, 0x7000, size: 0x9000)),
            ]
            graph.apply(time, .walkEnd(i1, mappings: 3, consistent: true), by: host)
            let end = graph.apply(time, .snapshotEnd, by: host)
            return found + [end.affects == .nothing && !end.cleared]
        }
        _ = snapshot(10, &graph)
        let mappings = Array(graph.mappings(in: k1)), peers = graph.peerMappings.map(\.id), device = graph.device(gpu)!
        if afterLoss { graph.apply(50, .loss(since: 40, lost: 1), by: host) }
        let again = snapshot(100, &graph)
        #expect(again == [true, true, true, true])
        #expect(
            Array(graph.mappings(in: k1)) == mappings && graph.peerMappings.map(\.id) == peers
                && graph.mappedBytes(in: k1) == 0xb000)
        #expect(
            graph.allContainers.count == 1 && graph.container(k1)?.opened == 10
                && graph.container(k1)?.groups == [gpuGroup])
        let now = graph.device(gpu)!
        #expect(
            now.openGeneration == device.openGeneration && now.opened == device.opened && now.opener == vmA
                && now.openDescriptors == 2)
    }
}
