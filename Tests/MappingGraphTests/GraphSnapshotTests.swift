import Events
import Testing

@testable import MappingGraph

private let host = Actor()
private let k1 = ContainerID(1), k2 = ContainerID(2)

extension Graph {
    @discardableResult
    fileprivate mutating func find(_ time: UInt64, _ iommu: IOMMUKey, _ iova: UInt64, size: UInt64 = 0x1000, to address: UInt64? = nil, by actor: Actor = vmA) -> Applied {
        if let address { apply(time, .extent(Extent(iova: iova, address: address, size: size)), by: actor) }
        return apply(time, .map(Map(iommu: iommu, iova: iova, size: size, deviceBytes: address == nil ? 0 : size, extentCount: address == nil ? 0 : 1,
                                    provenance: .snapshot)), by: actor)
    }

    /// What a snapshot says first, for container 1 with the GPU.
    fileprivate mutating func findRoots(_ time: UInt64, isOpen: Bool = true) {
        apply(time, .snapshotBegin, by: host)
        apply(time, .snapshotDevice(SnapshotDevice(device: gpu, group: gpuGroup, openCount: isOpen ? 2 : 0, memoryEnabled: isOpen ? true : nil, power: .d0)), by: host)
        apply(time, .snapshotGroup(gpuGroup, c1), by: host)
        apply(time, .snapshotContainer(c1, iommu: i1, type: 3), by: host)
        apply(time, .snapshotHolder(.container(c1), byMapping: false))
        apply(time, .snapshotHolder(.group(gpuGroup), byMapping: false))
        if isOpen { apply(time, .snapshotHolder(.device(gpu), byMapping: false)) }
    }

    fileprivate func starts(_ id: ContainerID = k1) -> [UInt64] { mappings(in: id).map(\.iova) }

    /// Container 1 with an open GPU and these mappings, all of them seen as they were made.
    fileprivate static func traced(_ iovas: [UInt64] = [0x1000, 0x2000, 0x3000]) -> Graph {
        var graph = prepared()
        graph.apply(7, .deviceFirstOpen(DeviceUse(device: gpu, group: gpuGroup)))
        graph.apply(8, .deviceOpen(DeviceUse(device: gpu, group: gpuGroup, openCount: 1)))
        for iova in iovas { graph.apply(9, .map(Map(iommu: i1, iova: iova, size: 0x1000))) }
        return graph
    }
}

@Suite struct GraphSnapshotTests {
    // MARK: A host that was never traced

    @Test func neverTraced() throws {
        var graph = Graph()
        graph.apply(1, .deviceInfo(info(gpu, group: gpuGroup, bar: gpuBar)))
        graph.apply(1, .deviceInfo(info(nic, group: nicGroup, bar: nicBar)))
        graph.apply(100, .snapshotBegin, by: host)
        graph.apply(101, .snapshotDevice(SnapshotDevice(device: gpu, group: gpuGroup, openCount: 2, memoryEnabled: false, power: .d3hot)), by: host)
        graph.apply(101, .snapshotDevice(SnapshotDevice(device: nic, group: nicGroup, openCount: 0, memoryEnabled: nil, power: .d0)), by: host)
        #expect(graph.apply(102, .snapshotGroup(gpuGroup, c1), by: host).newContainer)
        #expect(graph.apply(102, .snapshotGroup(nicGroup, nil), by: host).container == nil)
        let found = graph.apply(103, .snapshotContainer(c1, iommu: i1, type: 3), by: host)
        #expect(found.container == k1 && !found.newContainer)
        let second = graph.apply(104, .snapshotContainer(c2, iommu: nil, type: 0), by: host)
        #expect(second.container == k2 && second.newContainer)
        #expect(graph.apply(105, .snapshotHolder(.container(c1), byMapping: false), by: vmA).container == k1)
        graph.apply(105, .snapshotHolder(.container(c1), byMapping: false), by: vmB)
        graph.apply(105, .snapshotHolder(.group(gpuGroup), byMapping: false), by: vmA)
        #expect(graph.apply(105, .snapshotHolder(.device(gpu), byMapping: true), by: vmB).affects == .device(gpu))
        #expect(graph.apply(106, .walkBegin(i1), by: host).container == k1)
        #expect(graph.find(107, i1, 0x1000).peer == nil)
        let peer = try #require(graph.find(107, i1, 0x10_0000, size: 0x2000, to: nicBar + 0x3000).peer)
        #expect(graph.apply(108, .walkEnd(i1, mappings: 2, consistent: true), by: host).container == k1)
        let ended = graph.apply(109, .snapshotEnd, by: host)
        #expect(ended.affects == .nothing && !ended.cleared && graph.lastRemoved.isEmpty)

        #expect(graph.containers.map(\.id) == [k1, k2])
        let container = try #require(graph.container(k1))
        #expect(container.iommu == i1 && container.iommuType == 3 && container.groups == [gpuGroup] && container.provenance == .snapshot)
        #expect(container.opener == vmA && container.closed == nil)
        #expect(graph.container(k2)?.iommu == nil && graph.container(k2)?.opener == nil && graph.container(k2)?.provenance == .snapshot)
        #expect(graph.groups[gpuGroup]?.container == k1 && graph.groups[gpuGroup]?.opener == vmA)
        #expect(graph.groups[nicGroup]?.container == nil)
        let device = try #require(graph.device(gpu))
        #expect(device.isOpen && device.openDescriptors == 2 && device.opener == vmB && device.group == gpuGroup)
        #expect(!device.memoryEnabled && device.power == .d3hot && !device.isReachable)
        #expect(graph.device(nic)?.isOpen == false)
        #expect(graph.mappings(in: k1).map(\.provenance) == [.snapshot, .snapshot])
        #expect(graph.starts() == [0x1000, 0x10_0000] && graph.mappedBytes(in: k1) == 0x3000)
        let mapping = try #require(graph.peer(peer))
        #expect(mapping.provenance == .snapshot && mapping.creator == vmA)
        #expect(mapping.targets == [Target(device: nic, bar: 0, barOffset: 0x3000, iova: 0x10_0000, size: 0x2000)])
        #expect(mapping.openGenerations == [0])
    }

    /// A descriptor leads to the container, which leads to its groups: either may come first.
    @Test func containerBeforeGroup() {
        var graph = Graph()
        graph.apply(1, .snapshotBegin, by: host)
        #expect(graph.apply(2, .snapshotContainer(c1, iommu: i1, type: 1), by: host).newContainer)
        #expect(!graph.apply(3, .snapshotGroup(gpuGroup, c1), by: host).newContainer)
        graph.apply(4, .snapshotEnd, by: host)
        #expect(graph.container(for: i1)?.groups == [gpuGroup] && graph.allContainers.count == 1)
    }

    /// A map that came between attaching and the snapshot had led to a container without a name.
    @Test func anInferredContainerGetsItsName() {
        var graph = Graph()
        graph.apply(1, .map(Map(iommu: i1, iova: 0x5000, size: 0x1000)))
        graph.apply(2, .snapshotBegin, by: host)
        let found = graph.apply(3, .snapshotContainer(c1, iommu: i1, type: 3), by: host)
        #expect(found.container == k1 && !found.newContainer && !found.cleared)
        #expect(graph.container(for: c1)?.id == k1 && graph.container(k1)?.iommuType == 3 && graph.starts() == [0x5000])
    }

    // MARK: Events in between

    @Test func seenByEventAndByWalk() {
        var graph = Graph()
        graph.findRoots(10)
        graph.apply(11, .walkBegin(i1), by: host)
        graph.find(12, i1, 0x1000)
        let peer = graph.map(13, i1, 0x2000, to: gpuBar, size: 0x1000).peer
        let again = graph.find(14, i1, 0x2000, to: gpuBar)
        #expect(again.known && again.peer == nil && again.removed == nil && !again.replaced && !again.raced)
        graph.apply(15, .walkEnd(i1, mappings: 2, consistent: true), by: host)
        graph.apply(16, .snapshotEnd, by: host)
        #expect(graph.mappings(in: k1).map(\.provenance) == [.snapshot, .observed])
        #expect(graph.mappings(in: k1).map(\.peer) == [nil, peer])
        #expect(graph.mappedBytes(in: k1) == 0x2000)
    }

    /// First by the walk, and its own event comes after.
    @Test func seenByWalkAndThenByEvent() {
        var graph = Graph.prepared()
        graph.findRoots(10)
        graph.apply(11, .walkBegin(i1), by: host)
        graph.find(12, i1, 0x2000, to: gpuBar)
        let event = graph.map(13, i1, 0x2000, to: gpuBar, size: 0x1000)
        #expect(event.known && !event.replaced && event.removed?.provenance == .snapshot)
        #expect(graph.peerMappings.map(\.provenance) == [.observed] && graph.peerIDs(targeting: gpu) == [event.peer!])
        #expect(graph.mappedBytes(in: k1) == 0x1000)
    }

    @Test func removedDuringTheWalk() {
        var graph = Graph.traced()
        graph.findRoots(10)
        graph.apply(11, .walkBegin(i1), by: host)
        graph.find(12, i1, 0x1000)
        graph.unmap(13, i1, 0x2000)
        // vfio_remove_dma had said so already when the walk passed by.
        let found = graph.find(14, i1, 0x2000)
        #expect(found.raced && !found.known && found.peer == nil)
        graph.find(15, i1, 0x3000)
        graph.apply(16, .walkEnd(i1, mappings: 3, consistent: true), by: host)
        graph.apply(17, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x1000, 0x3000] && graph.mappedBytes(in: k1) == 0x2000)
        // Made anew at the same place, it is there.
        graph.apply(18, .map(Map(iommu: i1, iova: 0x2000, size: 0x1000)))
        #expect(graph.starts() == [0x1000, 0x2000, 0x3000])
    }

    @Test(arguments: [1, 99_999_999, 100_000_000, 100_000_001, 5_000_000_000] as [UInt64]) func removedBeforeTheWalk(by nanoseconds: UInt64) {
        let walk: UInt64 = 10_000_000_000
        var graph = Graph.traced()
        graph.unmap(walk - nanoseconds, i1, 0x2000)
        graph.findRoots(walk)
        graph.apply(walk, .walkBegin(i1), by: host)
        let found = graph.find(walk + 1, i1, 0x2000)
        // A removal takes no longer than that: what is found later was made again, unseen.
        let isOnItsWayOut = nanoseconds <= 100_000_000
        #expect(found.raced == isOnItsWayOut)
        #expect(graph.starts().contains(0x2000) == !isOnItsWayOut)
    }

    /// Another IOMMU's removal at the same address says nothing.
    @Test func removedElsewhere() {
        var graph = Graph.traced([0x1000])
        graph.unmap(9, i2, 0x2000)
        graph.findRoots(10)
        graph.apply(11, .walkBegin(i1), by: host)
        #expect(!graph.find(12, i1, 0x2000).raced)
        #expect(graph.starts() == [0x1000, 0x2000])
    }

    @Test func halfMade() {
        var graph = Graph.prepared()
        graph.findRoots(10)
        graph.apply(11, .walkBegin(i1), by: host)
        // Two of its four pages are pinned so far.
        graph.find(12, i1, 0x8000, size: 0x2000, to: gpuBar)
        graph.apply(13, .walkEnd(i1, mappings: 1, consistent: true), by: host)
        graph.apply(14, .snapshotEnd, by: host)
        #expect(graph.mappedBytes(in: k1) == 0x2000)
        let event = graph.map(15, i1, 0x8000, to: gpuBar, size: 0x4000)
        #expect(event.known && !event.replaced && event.peer != nil)
        #expect(graph.mappedBytes(in: k1) == 0x4000 && graph.mappingCount(in: k1) == 1)
        #expect(graph.mappings(in: k1).map(\.provenance) == [.observed])
        #expect(graph.peerMappings.map(\.size) == [0x4000])
    }

    @Test func halfMadeAndFailed() {
        var graph = Graph.prepared()
        graph.findRoots(10)
        graph.apply(11, .walkBegin(i1), by: host)
        let peer = graph.find(12, i1, 0x8000, size: 0x2000, to: gpuBar).peer
        let removal = graph.unmap(13, i1, 0x8000, 0x2000, cause: .failedMap)
        #expect(removal.known && removal.peer == peer && removal.removed?.iova == 0x8000)
        graph.map(14, i1, 0x8000, to: gpuBar, size: 0x4000, result: -12)
        graph.apply(15, .walkEnd(i1, mappings: 1, consistent: true), by: host)
        graph.apply(16, .snapshotEnd, by: host)
        #expect(graph.mappingCount(in: k1) == 0 && graph.mappedBytes(in: k1) == 0 && graph.peerMappings.isEmpty)
    }

    /// The failure of another map is none of an observed mapping's business.
    @Test func aFailedMapLeavesWhatWasObserved() {
        var graph = Graph.traced([0x8000])
        #expect(graph.unmap(13, i1, 0x8000, cause: .failedMap).removed == nil)
        #expect(graph.starts() == [0x8000])
    }

    @Test func itsIOMMUIsReleasedDuringTheWalk() {
        var graph = Graph.traced()
        graph.apply(9, .loss(since: 8, lost: 1), by: host)
        graph.findRoots(10)
        graph.apply(11, .walkBegin(i1), by: host)
        graph.find(12, i1, 0x1000)
        graph.apply(13, .iommuRelease(i1))
        #expect(!graph.apply(14, .walkEnd(i1, mappings: 3, consistent: true), by: host).resynced)
        graph.apply(15, .snapshotEnd, by: host)
        #expect(graph.mappingCount(in: k1) == 0 && graph.lastRemoved.isEmpty)
    }

    // MARK: After a loss

    @Test func whatTheWalkDoesNotFindIsGone() {
        var graph = Graph.traced([0x1000, 0x2000, 0x3000, 0x5000])
        let lost = graph.map(9, i1, 0x4000, to: nicBar, size: 0x1000).peer!
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.findRoots(20)
        graph.apply(21, .walkBegin(i1), by: host)
        #expect(!graph.find(22, i1, 0x1000).resynced)
        #expect(!graph.find(23, i1, 0x3000).resynced && graph.lastRemoved.isEmpty)
        let ended = graph.apply(24, .walkEnd(i1, mappings: 2, consistent: true), by: host)
        #expect(ended.resynced && ended.cleared && ended.container == k1)
        #expect(graph.lastRemoved.map(\.iova) == [0x2000, 0x4000, 0x5000] && graph.lastRemoved.map(\.peer) == [nil, lost, nil])
        #expect(graph.peer(lost) == nil && graph.peerIDs(targeting: nic).isEmpty)
        graph.apply(25, .snapshotEnd, by: host)
        #expect(graph.lastRemoved.isEmpty)
        #expect(graph.starts() == [0x1000, 0x3000] && graph.mappedBytes(in: k1) == 0x2000)
        let result = graph.lastSnapshot
        #expect(result?.isAfterLoss == true && result?.mappings == 2 && result?.added == 0 && result?.removed == 3 && result?.ended == 25)
        #expect(graph.gaps == [Gap(since: 9, until: 10, lost: 3, recovered: 25)])
    }

    /// Behind the walk or ahead of it: an event knows better than a walk that passed by.
    @Test func whatWasMappedDuringTheWalkStays() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.findRoots(20)
        graph.apply(21, .walkBegin(i1), by: host)
        graph.find(22, i1, 0x2000)
        #expect(graph.apply(23, .map(Map(iommu: i1, iova: 0x1000, size: 0x1000))).replaced)
        // The graph holds it still when it is made anew: its removal was lost.
        #expect(graph.apply(23, .map(Map(iommu: i1, iova: 0x3000, size: 0x1000))).replaced)
        graph.apply(23, .map(Map(iommu: i1, iova: 0x9000, size: 0x1000)))
        graph.apply(24, .walkEnd(i1, mappings: 1, consistent: true), by: host)
        #expect(graph.lastRemoved.isEmpty)
        graph.apply(25, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x1000, 0x2000, 0x3000, 0x9000] && graph.mappedBytes(in: k1) == 0x4000)
    }

    @Test func anotherSizeIsAnotherMapping() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.findRoots(20)
        graph.apply(21, .walkBegin(i1), by: host)
        let found = graph.find(22, i1, 0x1000, size: 0x2000)
        #expect(found.replaced && found.removed?.size == 0x1000)
        graph.find(23, i1, 0x3000)
        graph.apply(24, .walkEnd(i1, mappings: 2, consistent: true), by: host)
        #expect(graph.lastRemoved.map(\.iova) == [0x2000])
        #expect(graph.mappedBytes(in: k1) == 0x3000)
    }

    /// Nothing was lost, and nothing happened during the walk: then the graph was wrong, and says so.
    @Test func aQuietWalkIsBelieved() {
        var graph = Graph.traced()
        graph.findRoots(20)
        graph.apply(21, .walkBegin(i1), by: host)
        graph.find(22, i1, 0x3000)
        graph.find(22, i1, 0x7000)
        #expect(graph.apply(23, .walkEnd(i1, mappings: 2, consistent: true), by: host).resynced)
        graph.apply(24, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x3000, 0x7000])
        #expect(graph.lastSnapshot?.added == 1 && graph.lastSnapshot?.removed == 2 && graph.lastSnapshot?.isAfterLoss == false)
    }

    /// Found while it was being made, half of it, and told by its own event when the snapshot was over: nothing was missed.
    @Test(arguments: [UInt64(20), 22, 23]) func aMappingUnderWay(began: UInt64) {
        var graph = Graph.traced()
        graph.apply(12, .snapshotBegin, by: host)
        graph.apply(13, .snapshotEnd, by: host)
        graph.findRoots(20)
        graph.apply(21, .walkBegin(i1), by: host)
        for iova: UInt64 in [0x1000, 0x2000, 0x3000, 0x7000] { graph.find(22, i1, iova) }
        graph.apply(23, .walkEnd(i1, mappings: 4, consistent: true), by: host)
        graph.apply(24, .snapshotEnd, by: host)
        #expect(graph.contradictions.map(\.added) == [1])
        graph.apply(30, .map(Map(iommu: i1, iova: 0x7000, size: 0x2000, began: began)))
        #expect(graph.contradictions.isEmpty == (began <= 22))
        #expect(graph.mappedBytes(in: k1) == 0x5000)
    }

    /// A tree that changes while it is walked can hide a node; events say what became of it.
    @Test(arguments: [true, false]) func aDisturbedOrIncompleteWalkIsNot(consistent: Bool) {
        var graph = Graph.traced()
        graph.findRoots(20)
        graph.apply(21, .walkBegin(i1), by: host)
        graph.find(22, i1, 0x3000)
        if consistent { graph.apply(22, .map(Map(iommu: i1, iova: 0x9000, size: 0x1000))) }
        #expect(!graph.apply(23, .walkEnd(i1, mappings: 1, consistent: consistent), by: host).resynced)
        graph.apply(24, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x1000, 0x2000, 0x3000] + (consistent ? [0x9000] : []))
        #expect(graph.lastSnapshot?.removed == 0 && graph.lastSnapshot?.unsettled == (consistent ? 0 : 1))
    }

    /// Nothing can be said of its mappings yet: the gap stays open, and the next snapshot is one after a loss again.
    @Test func aLossThatDoesNotSettle() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.findRoots(20)
        graph.apply(21, .walkBegin(i1), by: host)
        graph.apply(23, .walkEnd(i1, mappings: 0, consistent: false), by: host)
        graph.apply(24, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x1000, 0x2000, 0x3000] && graph.gaps.last?.recovered == nil && graph.needsSnapshot)
        graph.findRoots(30)
        graph.apply(31, .walkBegin(i1), by: host)
        graph.apply(32, .walkEnd(i1, mappings: 0, consistent: true), by: host)
        graph.apply(33, .snapshotEnd, by: host)
        #expect(graph.starts().isEmpty && graph.gaps.last?.recovered == 33 && !graph.needsSnapshot)
    }

    /// The walk is tried again until it finds as many as the kernel counts.
    @Test func theLastTryCounts() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.findRoots(20)
        graph.apply(21, .walkBegin(i1), by: host)
        graph.find(22, i1, 0x3000)
        graph.apply(23, .walkEnd(i1, mappings: 1, consistent: false), by: host)
        graph.apply(24, .walkBegin(i1), by: host)
        graph.find(25, i1, 0x2000)
        graph.find(25, i1, 0x3000)
        graph.apply(26, .walkEnd(i1, mappings: 2, consistent: true), by: host)
        graph.apply(27, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x2000, 0x3000])
        #expect(graph.lastSnapshot?.mappings == 2 && graph.lastSnapshot?.unsettled == 0 && graph.lastSnapshot?.removed == 1)
    }

    /// Records of the snapshot itself are lost: nothing follows from what it does not show, and the gap stays open until the next.
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

    /// Its last group left it unseen: the container is there, its IOMMU side is not, and the mappings went with that.
    @Test func aContainerWithoutItsIOMMUSide() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.apply(20, .snapshotBegin, by: host)
        graph.apply(21, .snapshotContainer(c1, iommu: nil, type: 0), by: host)
        graph.apply(30, .snapshotEnd, by: host)
        #expect(graph.mappingCount(in: k1) == 0 && graph.container(for: i1) == nil && graph.container(for: c1)?.id == k1)
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
        #expect((graph.groups[gpuGroup]?.container == nil) == afterLoss && (graph.groups[nicGroup]?.container == nil) == afterLoss)
        #expect(graph.device(gpu)?.isOpen == !afterLoss && graph.device(nic)?.isOpen == !afterLoss)
        #expect(graph.device(nic)?.lastClosed == (afterLoss ? 30 : nil))
        #expect(graph.mappingCount(in: k1) == (afterLoss ? 0 : 4) && (graph.peer(peer) == nil) == afterLoss)
        #expect(graph.container(k1)?.closed == (afterLoss ? 30 : nil))
    }

    @Test func closedAndPartedAfterALoss() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.apply(20, .snapshotBegin, by: host)
        #expect(graph.apply(21, .snapshotDevice(SnapshotDevice(device: gpu, group: gpuGroup, openCount: 0, memoryEnabled: nil, power: .d0)), by: host).affects == .device(gpu))
        #expect(graph.device(gpu)?.isOpen == false && graph.device(gpu)?.lastClosed == 21)
        #expect(graph.apply(22, .snapshotGroup(gpuGroup, nil), by: host).affects == .group(gpuGroup))
        #expect(graph.groups[gpuGroup]?.container == nil && graph.container(k1)?.groups == [])
        // Without a loss, that was an event that comes yet.
        graph = Graph.traced()
        graph.apply(20, .snapshotBegin, by: host)
        graph.apply(21, .snapshotDevice(SnapshotDevice(device: gpu, group: gpuGroup, openCount: 0, memoryEnabled: nil, power: .d0)), by: host)
        graph.apply(22, .snapshotGroup(gpuGroup, nil), by: host)
        #expect(graph.device(gpu)?.isOpen == true && graph.groups[gpuGroup]?.container == k1)
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
        func take(_ time: UInt64, _ graph: inout Graph) -> [Applied] {
            graph.findRoots(time)
            graph.apply(time, .walkBegin(i1), by: host)
            let found = [graph.find(time, i1, 0x1000), graph.find(time, i1, 0x2000, to: gpuBar), graph.find(time, i1, 0x7000, size: 0x9000)]
            graph.apply(time, .walkEnd(i1, mappings: 3, consistent: true), by: host)
            return found + [graph.apply(time, .snapshotEnd, by: host)]
        }
        _ = take(10, &graph)
        let mappings = Array(graph.mappings(in: k1)), peers = graph.peerMappings.map(\.id), device = graph.device(gpu)!
        if afterLoss { graph.apply(50, .loss(since: 40, lost: 1), by: host) }
        let again = take(100, &graph)
        #expect(again.dropLast().allSatisfy { $0.known && $0.removed == nil && $0.peer == nil && !$0.resynced && $0.affects == .nothing })
        #expect(again.last!.affects == .nothing && !again.last!.cleared)
        #expect(Array(graph.mappings(in: k1)) == mappings && graph.peerMappings.map(\.id) == peers && graph.mappedBytes(in: k1) == 0xb000)
        #expect(graph.allContainers.count == 1 && graph.container(k1)?.opened == 10 && graph.container(k1)?.groups == [gpuGroup])
        let now = graph.device(gpu)!
        #expect(now.openGeneration == device.openGeneration && now.opened == device.opened && now.opener == vmA && now.openDescriptors == 2)
    }
}
