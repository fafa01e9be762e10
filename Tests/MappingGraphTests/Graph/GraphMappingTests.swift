// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import MappingGraph

/// Tests how maps, extents and removals change mappings.
@Suite struct GraphMappingTests {
    private let id = ContainerID(1)

    @Test func mapsAndUnmaps() {
        var graph = Graph.prepared()
        let mapped = graph.apply(
            10, .map(MapRequest(iommu: i1, iova: 0x10000, size: 0x4000, readable: true, writable: false)), by: vmB)
        #expect(mapped.container == id && mapped.peer == nil && mapped.affects == .nothing && !mapped.known == true)
        #expect(mapped.targets.isEmpty)
        let mapping = graph.mapping(at: 0x13fff, in: id)!
        #expect(!mapping.writable && graph.actor(at: mapping.owner) == vmB)
        #expect(graph.mapping(at: 0x14000, in: id) == nil)
        #expect(graph.mappings(in: id).count == 1)
        let unmapped = graph.unmap(11, i1, 0x10000)
        #expect(unmapped.known && unmapped.removed == mapping)
        #expect(graph.mappedBytes(in: id) == 0)
        #expect(graph.mappingCount(in: ContainerID(9)) == 0)
    }

    @Test func deviceMemoryMakesAPeerMapping() {
        var graph = Graph.prepared()
        graph.apply(8, .groupAttach(nicGroup, c1))
        graph.apply(9, .deviceFirstOpen(DeviceUse(device: nic, group: nicGroup)))
        let applied = graph.map(10, i1, 0x10000, to: nicBar + 0x2000, size: 0x1000)
        #expect(applied.affects == .mapping)
        let peer = graph.peer(applied.peer!)!
        #expect(peer.targets == [Target(device: nic, bar: 0, barOffset: 0x2000, iova: 0x10000, size: 0x1000)])
        #expect(peer.targets == applied.targets)
        #expect(peer.openGenerations == [1] && peer.wereInSameContainer == [true])
        #expect(graph.peers(targeting: nic).map(\.id) == [peer.id])
        #expect(graph.mapping(at: 0x10000, in: id)?.peer == peer.id)
        #expect(graph.unmap(11, i1, 0x10000).peer == peer.id)
        #expect(graph.peers(targeting: nic).isEmpty && graph.peerMappings.isEmpty)
    }

    /// RAM, then parts of two BARs, in one mapping.
    @Test func aMappingCanLeadToSeveralPlaces() {
        var graph = Graph.prepared()
        graph.apply(9, .extent(Extent(iova: 0x11000, address: gpuBar, size: 0x1000)))
        graph.apply(9, .extent(Extent(iova: 0x12000, address: gpuBar + 0x1000, size: 0x1000)))
        graph.apply(9, .extent(Extent(iova: 0x13000, address: nicBar, size: 0x1000)))
        let applied = graph.apply(
            10, .map(MapRequest(iommu: i1, iova: 0x10000, size: 0x4000, deviceBytes: 0x3000, extentCount: 3)))
        let peer = graph.peer(applied.peer!)!
        // Contiguous extents are one target.
        #expect(
            peer.targets == [
                Target(device: gpu, bar: 0, barOffset: 0, iova: 0x11000, size: 0x2000),
                Target(device: nic, bar: 0, barOffset: 0, iova: 0x13000, size: 0x1000),
            ])
        #expect(peer.wereInSameContainer == [true, false] && peer.openGenerations == [0, 0])
        graph.unmap(11, i1, 0x10000)
        #expect(graph.targetedDevices.isEmpty)
    }

    @Test func extentsBelongToTheirThread() {
        var graph = Graph.prepared()
        let first = actor(100, tid: 101), second = actor(100, tid: 102)
        graph.apply(8, .extent(Extent(iova: 0x1000, address: gpuBar, size: 0x1000)), by: first)
        graph.apply(8, .extent(Extent(iova: 0x9000, address: nicBar, size: 0x1000)), by: second)
        let ram = graph.apply(9, .map(MapRequest(iommu: i1, iova: 0x5000, size: 0x1000)), by: actor(100, tid: 103))
        #expect(ram.peer == nil)
        let toNIC = graph.apply(
            10, .map(MapRequest(iommu: i1, iova: 0x9000, size: 0x1000, deviceBytes: 0x1000, extentCount: 1)), by: second
        )
        #expect(toNIC.targets.map(\.device) == [nic])
        let toGPU = graph.apply(
            11, .map(MapRequest(iommu: i1, iova: 0x1000, size: 0x1000, deviceBytes: 0x1000, extentCount: 1)), by: first)
        #expect(toGPU.targets.map(\.device) == [gpu])
    }

    /// The `map` of the first extents was lost.
    @Test func extentsOfALostMapAreLeftOut() {
        var graph = Graph.prepared()
        graph.apply(8, .extent(Extent(iova: 0x1000, address: gpuBar, size: 0x1000)))
        let mapped = graph.map(9, i1, 0x9000, to: nicBar, size: 0x1000)
        #expect(mapped.targets.map(\.device) == [nic])
        graph.apply(10, .extent(Extent(iova: 0x1000, address: gpuBar, size: 0x1000)))
        let ram = graph.apply(11, .map(MapRequest(iommu: i1, iova: 0x20000, size: 0x1000)))
        #expect(ram.peer == nil && ram.targets.isEmpty)
    }

    @Test func bytesWithoutExtentsHaveAnUnknownOwner() {
        var graph = Graph.prepared()
        graph.apply(9, .extent(Extent(iova: 0x10000, address: gpuBar, size: 0x1000)))
        let applied = graph.apply(
            10,
            .map(
                MapRequest(
                    iommu: i1, iova: 0x10000, size: 0x4000, deviceBytes: 0x3000, extentCount: 1, moreExtents: true)))
        #expect(graph.peer(applied.peer!)!.targets.map(\.device) == [gpu, nil])
        #expect(applied.targets.map(\.size) == [0x1000, 0x2000])
    }

    @Test func aFailedMapResolvesAndChangesNothing() {
        var graph = Graph.prepared()
        let applied = graph.map(10, i1, 0x10000, to: nicBar, size: 0x1000, result: -14)
        #expect(applied.peer == nil && applied.container == id && applied.affects == .nothing)
        #expect(applied.targets.map(\.device) == [nic])
        #expect(graph.mappingCount(in: id) == 0 && graph.peerMappings.isEmpty)
        graph.apply(11, .map(MapRequest(iommu: i1, iova: 0x10000, size: 0x1000)))
        // The kernel removes the parts of a failed map, which were never in force.
        #expect(graph.unmap(12, i1, 0x10000, cause: .failedMap).known == false)
        #expect(graph.mappingCount(in: id) == 1)
        #expect(graph.orphans.isEmpty)
    }

    @Test func aVaddrUpdateChangesNothing() {
        var graph = Graph.prepared()
        let peer = graph.map(10, i1, 0x10000, to: nicBar, size: 0x1000).peer
        let applied = graph.apply(
            11, .map(MapRequest(iommu: i1, iova: 0x10000, vaddr: 5, size: 0x1000, vaddrOnly: true)))
        #expect(!applied.replaced && applied.container == id)
        #expect(graph.mapping(at: 0x10000, in: id)?.peer == peer)
    }

    @Test func aMapOfAKnownIOVAReplaces() {
        var graph = Graph.prepared()
        let old = graph.map(10, i1, 0x10000, to: nicBar, size: 0x2000).peer
        let applied = graph.map(11, i1, 0x10000, to: gpuBar, size: 0x1000)
        #expect(applied.replaced && applied.removed?.peer == old && applied.peer != old)
        #expect(graph.mappedBytes(in: id) == 0x1000)
        #expect(graph.peers(targeting: nic).isEmpty && graph.peers(targeting: gpu).count == 1)
    }

    @Test func aSnapshotOfAKnownMappingChangesNothing() {
        var graph = Graph.prepared()
        let peer = graph.map(10, i1, 0x10000, to: nicBar, size: 0x1000).peer
        let same = graph.apply(11, .map(MapRequest(iommu: i1, iova: 0x10000, size: 0x1000, provenance: .snapshot)))
        #expect(same.known && !same.replaced && graph.mapping(at: 0x10000, in: id)?.peer == peer)
        #expect(
            graph.apply(12, .map(MapRequest(iommu: i1, iova: 0x10000, size: 0x3000, provenance: .snapshot))).replaced
                == true)
        #expect(graph.mapping(at: 0x10000, in: id)?.provenance == .snapshot)
    }

    @Test func aMappingRemovedBeforeItsRecordIsNoGhost() {
        var graph = Graph.prepared()
        #expect(graph.unmap(20, i1, 0x10000).known == false)
        let late = graph.apply(25, .map(MapRequest(iommu: i1, iova: 0x10000, size: 0x1000, began: 15)))
        #expect(late.raced && late.container == id)
        #expect(graph.mappingCount(in: id) == 0)
        // The removal has been used up: the next map counts, although it began as early.
        #expect(graph.apply(30, .map(MapRequest(iommu: i1, iova: 0x10000, size: 0x1000, began: 15))).raced == false)
        #expect(graph.mappingCount(in: id) == 1)
    }

    @Test func anOrphanOlderThanTheMapIsLeftAlone() {
        var graph = Graph.prepared()
        graph.unmap(20, i1, 0x10000)
        #expect(graph.apply(25, .map(MapRequest(iommu: i1, iova: 0x10000, size: 0x1000, began: 21))).raced == false)
        #expect(
            graph.apply(26, .map(MapRequest(iommu: i1, iova: 0x10000, size: 0x1000, began: 20))).raced == true,
            "began at the removal's own time")
        #expect(graph.mappingCount(in: id) == 1)
        graph.unmap(30, i1, 0x20000)
        #expect(
            graph.apply(31, .map(MapRequest(iommu: i1, iova: 0x20000, size: 0x1000))).raced == false,
            "not known when it began"
        )
        #expect(
            graph.apply(32, .map(MapRequest(iommu: i2, iova: 0x20000, size: 0x1000, began: 1))).raced == false,
            "another container")
    }

    @Test func orphansAreBounded() {
        var orphans = OrphanTable()
        for number in 0..<UInt64(20_000) { orphans.insert(iommu: i1, iova: number << 12, time: number) }
        let newest = orphans.consume(iommu: i1, iova: 19_999 << 12, began: 0)
        let oldest = orphans.consume(iommu: i1, iova: 0, began: 0)
        #expect(newest && !oldest)
        #expect(orphans.count <= OrphanTable.capacity)
    }

    @Test func extentsAreBounded() {
        var graph = Graph.prepared()
        for thread in UInt32(0)..<5000 {
            graph.apply(1, .extent(Extent(iova: 0, address: gpuBar, size: 1)), by: actor(1, tid: thread))
        }
        let mapped = graph.map(2, i1, 0x1000, to: nicBar, size: 0x1000)
        #expect(mapped.targets.map(\.device) == [nic])
    }
}
