// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import MappingGraph

/// Tests walks of an IOMMU's mappings, with events in between that agree with the walk or
/// contradict it.
@Suite struct GraphWalkTests {
    private let k1 = ContainerID(1)

    // MARK: Events in between

    @Test func seenByEventAndByWalk() {
        var graph = Graph()
        graph.beginWalk(10, finding: 0x1000)
        let peer = graph.map(13, i1, 0x2000, to: gpuBar, size: 0x1000).peer
        let again = graph.find(14, i1, 0x2000, to: gpuBar)
        #expect(again.known && again.peer == nil && again.removed == nil && !again.replaced && !again.raced == true)
        graph.endWalk(15, mappings: 2)
        #expect(graph.mappings(in: k1).map(\.provenance) == [.snapshot, .observed])
        #expect(graph.mappings(in: k1).map(\.peer) == [nil, peer])
        #expect(graph.mappedBytes(in: k1) == 0x2000)
    }

    /// The walk finds the mapping first, and its own event follows.
    @Test func seenByWalkAndThenByEvent() {
        var graph = Graph.prepared()
        graph.beginWalk(10)
        graph.find(12, i1, 0x2000, to: gpuBar)
        let event = graph.map(13, i1, 0x2000, to: gpuBar, size: 0x1000)
        #expect(event.known && !event.replaced && event.removed?.provenance == .snapshot)
        #expect(graph.peerMappings.map(\.provenance) == [.observed] && graph.peerIDs(targeting: gpu) == [event.peer!])
        #expect(graph.mappedBytes(in: k1) == 0x1000)
    }

    @Test func removedDuringTheWalk() {
        var graph = Graph.traced()
        graph.beginWalk(10, finding: 0x1000)
        graph.unmap(13, i1, 0x2000)
        // The removal was already reported when the walk found the mapping: vfio_remove_dma reports
        // at its beginning.
        let found = graph.find(14, i1, 0x2000)
        #expect(found.raced && !found.known && found.peer == nil)
        graph.find(15, i1, 0x3000)
        graph.endWalk(16, mappings: 3)
        #expect(graph.starts() == [0x1000, 0x3000] && graph.mappedBytes(in: k1) == 0x2000)
        // A new mapping at the same place is in the graph.
        graph.apply(18, .map(MapRequest(iommu: i1, iova: 0x2000, size: 0x1000)))
        #expect(graph.starts() == [0x1000, 0x2000, 0x3000])
    }

    @Test(arguments: [1, 99_999_999, 100_000_000, 100_000_001, 5_000_000_000] as [UInt64]) func removedBeforeTheWalk(
        by nanoseconds: UInt64
    ) {
        let walk: UInt64 = 10_000_000_000
        var graph = Graph.traced()
        graph.unmap(walk - nanoseconds, i1, 0x2000)
        graph.findRoots(walk)
        graph.apply(walk, .walkBegin(i1), by: host)
        let found = graph.find(walk + 1, i1, 0x2000)
        // A removal takes no longer than that. A mapping that is found later was made again,
        // unseen.
        let isOnItsWayOut = nanoseconds <= 100_000_000
        #expect(found.raced == isOnItsWayOut)
        #expect(graph.starts().contains(0x2000) == !isOnItsWayOut)
    }

    /// A removal at the same address of another IOMMU does not matter.
    @Test func removedElsewhere() {
        var graph = Graph.traced([0x1000])
        graph.unmap(9, i2, 0x2000)
        graph.beginWalk(10)
        #expect(graph.find(12, i1, 0x2000).raced == false)
        #expect(graph.starts() == [0x1000, 0x2000])
    }

    @Test func halfMade() {
        var graph = Graph.prepared()
        graph.beginWalk(10)
        // Two of its four pages are pinned so far.
        graph.find(12, i1, 0x8000, size: 0x2000, to: gpuBar)
        graph.endWalk(13, mappings: 1)
        #expect(graph.mappedBytes(in: k1) == 0x2000)
        let event = graph.map(15, i1, 0x8000, to: gpuBar, size: 0x4000)
        #expect(event.known && !event.replaced && event.peer != nil)
        #expect(graph.mappedBytes(in: k1) == 0x4000 && graph.mappingCount(in: k1) == 1)
        #expect(graph.mappings(in: k1).map(\.provenance) == [.observed])
        #expect(graph.peerMappings.map(\.size) == [0x4000])
    }

    @Test func halfMadeAndFailed() {
        var graph = Graph.prepared()
        graph.beginWalk(10)
        let peer = graph.find(12, i1, 0x8000, size: 0x2000, to: gpuBar).peer
        let removal = graph.unmap(13, i1, 0x8000, 0x2000, cause: .failedMap)
        #expect(removal.known && removal.peer == peer && removal.removed?.iova == 0x8000)
        graph.map(14, i1, 0x8000, to: gpuBar, size: 0x4000, result: -12)
        graph.endWalk(15, mappings: 1)
        #expect(graph.mappingCount(in: k1) == 0 && graph.mappedBytes(in: k1) == 0 && graph.peerMappings.isEmpty)
    }

    /// The failure of another map does not change an observed mapping.
    @Test func aFailedMapLeavesWhatWasObserved() {
        var graph = Graph.traced([0x8000])
        #expect(graph.unmap(13, i1, 0x8000, cause: .failedMap).removed == nil)
        #expect(graph.starts() == [0x8000])
    }

    @Test func itsIOMMUIsReleasedDuringTheWalk() {
        var graph = Graph.traced()
        graph.apply(9, .loss(since: 8, lost: 1), by: host)
        graph.beginWalk(10, finding: 0x1000)
        graph.apply(13, .iommuRelease(i1))
        #expect(graph.apply(14, .walkEnd(i1, mappings: 3, consistent: true), by: host).missing.isEmpty)
        graph.apply(15, .snapshotEnd, by: host)
        #expect(graph.mappingCount(in: k1) == 0)
    }

    // MARK: What it does not find

    @Test func whatTheWalkDoesNotFindIsGone() {
        var graph = Graph.traced([0x1000, 0x2000, 0x3000, 0x5000])
        let lost = graph.map(9, i1, 0x4000, to: nicBar, size: 0x1000).peer!
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.beginWalk(20)
        #expect(graph.find(22, i1, 0x1000).missing.isEmpty)
        #expect(graph.find(23, i1, 0x3000).missing.isEmpty)
        let ended = graph.apply(24, .walkEnd(i1, mappings: 2, consistent: true), by: host)
        #expect(ended.cleared && ended.container == k1)
        #expect(
            ended.missing.map(\.iova) == [0x2000, 0x4000, 0x5000]
                && ended.missing.map(\.peer) == [nil, lost, nil])
        #expect(graph.peer(lost) == nil && graph.peerIDs(targeting: nic).isEmpty)
        #expect(graph.apply(25, .snapshotEnd, by: host).missing.isEmpty)
        #expect(graph.starts() == [0x1000, 0x3000] && graph.mappedBytes(in: k1) == 0x2000)
        let result = graph.lastSnapshot
        #expect(
            result?.isAfterLoss == true && result?.mappings == 2 && result?.added == 0 && result?.removed == 3
                && result?.ended == 25)
        #expect(graph.gaps == [Gap(since: 9, until: 10, lost: 3, recovered: 25)])
    }

    /// The map of a BAR arrived without its extent, which was lost: the snapshot knows the target.
    @Test func theTargetOfALostExtentIsFound() throws {
        var graph = Graph.traced([])
        let mapped = graph.apply(
            9, .map(MapRequest(iommu: i1, iova: 0x4000, size: 0x1000, deviceBytes: 0x1000, extentCount: 1)))
        #expect(mapped.targets.map(\.device) == [nil])
        graph.apply(10, .loss(since: 9, lost: 1), by: host)
        graph.beginWalk(20)
        let found = graph.find(22, i1, 0x4000, to: nicBar)
        #expect(found.known && found.replaced && found.removed?.peer == mapped.peer)
        let peer = try unwrapped(found.peer.flatMap { graph.peer($0) })
        #expect(peer.targets.map(\.device) == [nic] && graph.peerIDs(targeting: nic) == [peer.id])
        #expect(graph.mappedBytes(in: k1) == 0x1000 && graph.peerMappingCount == 1)
        // The next snapshot finds nothing new.
        graph.apply(24, .walkEnd(i1, mappings: 1, consistent: true), by: host)
        graph.apply(25, .snapshotEnd, by: host)
        graph.beginWalk(30)
        #expect(graph.find(32, i1, 0x4000, to: nicBar).replaced == false)
    }

    @Test func whatWasMappedDuringTheWalkStays() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.beginWalk(20, finding: 0x2000)
        #expect(graph.apply(23, .map(MapRequest(iommu: i1, iova: 0x1000, size: 0x1000))).replaced == true)
        // The graph still holds the mapping when it is made again, because its removal was lost.
        #expect(graph.apply(23, .map(MapRequest(iommu: i1, iova: 0x3000, size: 0x1000))).replaced == true)
        graph.apply(23, .map(MapRequest(iommu: i1, iova: 0x9000, size: 0x1000)))
        #expect(graph.apply(24, .walkEnd(i1, mappings: 1, consistent: true), by: host).missing.isEmpty)
        graph.apply(25, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x1000, 0x2000, 0x3000, 0x9000] && graph.mappedBytes(in: k1) == 0x4000)
    }

    @Test func anotherSizeIsAnotherMapping() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.beginWalk(20)
        let found = graph.find(22, i1, 0x1000, size: 0x2000)
        #expect(found.replaced && found.removed?.size == 0x1000)
        graph.find(23, i1, 0x3000)
        let ended = graph.apply(24, .walkEnd(i1, mappings: 2, consistent: true), by: host)
        #expect(ended.missing.map(\.iova) == [0x2000])
        #expect(graph.mappedBytes(in: k1) == 0x3000)
    }

    @Test func aQuietWalkIsBelieved() {
        var graph = Graph.traced()
        graph.beginWalk(20, finding: 0x3000, 0x7000)
        #expect(!graph.apply(23, .walkEnd(i1, mappings: 2, consistent: true), by: host).missing.isEmpty)
        graph.apply(24, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x3000, 0x7000])
        #expect(
            graph.lastSnapshot?.added == 1 && graph.lastSnapshot?.removed == 2
                && graph.lastSnapshot?.isAfterLoss == false)
    }

    @Test(arguments: [UInt64(20), 22, 23]) func aMappingUnderWay(began: UInt64) {
        var graph = Graph.traced()
        graph.apply(12, .snapshotBegin, by: host)
        graph.apply(13, .snapshotEnd, by: host)
        graph.beginWalk(20)
        for iova: UInt64 in [0x1000, 0x2000, 0x3000, 0x7000] { graph.find(22, i1, iova) }
        graph.endWalk(23, mappings: 4)
        #expect(graph.contradictions.map(\.added) == [1])
        graph.apply(30, .map(MapRequest(iommu: i1, iova: 0x7000, size: 0x2000, began: began)))
        #expect(graph.contradictions.isEmpty == (began <= 22))
        #expect(graph.mappedBytes(in: k1) == 0x5000)
    }

    @Test(arguments: [true, false]) func aDisturbedOrIncompleteWalkIsNot(consistent: Bool) {
        var graph = Graph.traced()
        graph.beginWalk(20, finding: 0x3000)
        if consistent { graph.apply(22, .map(MapRequest(iommu: i1, iova: 0x9000, size: 0x1000))) }
        #expect(graph.apply(23, .walkEnd(i1, mappings: 1, consistent: consistent), by: host).missing.isEmpty)
        graph.apply(24, .snapshotEnd, by: host)
        #expect(graph.starts() == [0x1000, 0x2000, 0x3000] + (consistent ? [0x9000] : []))
        #expect(graph.lastSnapshot?.removed == 0 && graph.lastSnapshot?.unsettled == (consistent ? 0 : 1))
    }

    @Test func aLossThatDoesNotSettle() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.beginWalk(20)
        graph.endWalk(23, mappings: 0, consistent: false)
        #expect(graph.starts() == [0x1000, 0x2000, 0x3000] && graph.gaps.last?.recovered == nil && graph.needsSnapshot)
        graph.beginWalk(30)
        graph.endWalk(32, mappings: 0)
        #expect(graph.starts().isEmpty && graph.gaps.last?.recovered == 33 && !graph.needsSnapshot)
    }

    @Test func theLastTryCounts() {
        var graph = Graph.traced()
        graph.apply(10, .loss(since: 9, lost: 3), by: host)
        graph.beginWalk(20, finding: 0x3000)
        graph.apply(23, .walkEnd(i1, mappings: 1, consistent: false), by: host)
        graph.apply(24, .walkBegin(i1), by: host)
        graph.find(25, i1, 0x2000)
        graph.find(25, i1, 0x3000)
        graph.endWalk(26, mappings: 2)
        #expect(graph.starts() == [0x2000, 0x3000])
        #expect(
            graph.lastSnapshot?.mappings == 2 && graph.lastSnapshot?.unsettled == 0 && graph.lastSnapshot?.removed == 1)
    }
}
