// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import MappingGraph

/// Tests how containers, groups and IOMMU sides are linked and separated.
@Suite struct GraphContainerTests {
    @Test func theKernelsOrderLinksAtTheFirstAttach() {
        var graph = Graph()
        let opened = graph.apply(1, .containerOpen(c1))
        #expect(opened.newContainer && opened.container == ContainerID(1))
        #expect(graph.apply(2, .groupAttach(gpuGroup, c1)).container == ContainerID(1))
        #expect(graph.apply(3, .iommuOpen(i1, type: 3, container: nil)).container == nil)
        let attached = graph.apply(4, .iommuAttach(i1, group: gpuGroup, result: 0))
        #expect(attached.linked && attached.container == ContainerID(1))
        #expect(graph.container(for: i1)?.iommuType == 3)
        // A second group of the same container does not link again.
        graph.apply(5, .iommuAttach(i1, group: nicGroup, result: 0))
        let second = graph.apply(6, .groupAttach(nicGroup, c1))
        #expect(!second.linked && second.container == ContainerID(1))
        #expect(graph.container(for: i1)?.groups == [gpuGroup, nicGroup])
    }

    @Test func aFailedAttachLinksNothing() {
        var graph = Graph()
        graph.apply(1, .containerOpen(c1))
        graph.apply(2, .groupAttach(gpuGroup, c1))
        graph.apply(3, .iommuOpen(i1, type: 1, container: nil))
        #expect(graph.apply(4, .iommuAttach(i1, group: gpuGroup, result: -22)).linked == false)
        #expect(graph.container(for: i1) == nil)
    }

    @Test func aSnapshotNamesTheContainerItself() {
        var graph = Graph()
        let applied = graph.apply(1, .iommuOpen(i1, type: 1, container: c1))
        #expect(applied.newContainer && applied.linked == true)
        #expect(graph.container(for: c1)?.provenance == .inferred)
        #expect(graph.apply(2, .iommuOpen(i1, type: 1, container: c1)).linked == false)
        #expect(graph.allContainers.count == 1)
    }

    @Test func aReusedPointerIsANewContainer() {
        var graph = Graph.prepared()
        graph.map(10, i1, 0x1000, to: gpuBar, size: 0x1000)
        let applied = graph.apply(20, .containerOpen(c1))
        #expect(applied.container == ContainerID(2) && applied.newContainer == true)
        #expect(applied.cleared == true)
        #expect(graph.peerMappings.isEmpty)
        #expect(graph.mappingCount(in: ContainerID(1)) == 0)
        #expect(graph.container(for: c1)?.id == ContainerID(2))
        #expect(graph.container(ContainerID(1))?.closed == 20)
        #expect(graph.groups[gpuGroup]?.container == nil)
    }

    @Test func closingMarksAndNothingElse() {
        var graph = Graph.prepared()
        graph.apply(10, .map(MapRequest(iommu: i1, iova: 0, size: 4096)))
        graph.apply(20, .containerClose(c1))
        let container = graph.container(ContainerID(1))
        #expect(container?.closed == 20 && container?.isAlive == true)
        #expect(graph.mappingCount(in: ContainerID(1)) == 1)
        #expect(graph.containers.map(\.id) == [ContainerID(1)])
        // The last group leaves and the IOMMU side is released: now the container is dead.
        graph.apply(30, .groupDetach(gpuGroup, c1))
        graph.apply(31, .iommuRelease(i1))
        #expect(graph.containers.isEmpty)
        #expect(graph.container(for: c1) == nil)
        #expect(graph.container(ContainerID(1))?.released == 31)
    }

    @Test func releaseClearsWhatIsLeft() {
        var graph = Graph.prepared()
        graph.apply(10, .map(MapRequest(iommu: i1, iova: 0, size: 0x3000)))
        let peer = graph.map(11, i1, 0x10000, to: gpuBar, size: 0x1000).peer!
        #expect(graph.mappedBytes(in: ContainerID(1)) == 0x4000)
        let applied = graph.apply(20, .iommuRelease(i1))
        #expect(applied.cleared && applied.container == ContainerID(1))
        #expect(graph.mappedBytes(in: ContainerID(1)) == 0)
        #expect(graph.peer(peer) == nil)
        #expect(graph.peers(targeting: gpu).isEmpty)
        // The container can receive another IOMMU side.
        graph.apply(21, .iommuOpen(i2, type: 1, container: nil))
        #expect(graph.apply(22, .iommuAttach(i2, group: gpuGroup, result: 0)).container == ContainerID(1))
        #expect(graph.container(ContainerID(1))?.released == nil)
    }

    @Test func anIOMMUPointerIsReusedByAnotherContainer() {
        var graph = Graph.prepared()
        graph.apply(10, .map(MapRequest(iommu: i1, iova: 0, size: 4096)))
        graph.apply(20, .iommuRelease(i1))
        graph.apply(21, .containerOpen(c2))
        graph.apply(22, .groupAttach(nicGroup, c2))
        graph.apply(23, .iommuOpen(i1, type: 1, container: nil))
        graph.apply(24, .iommuAttach(i1, group: nicGroup, result: 0))
        #expect(graph.apply(25, .map(MapRequest(iommu: i1, iova: 0, size: 4096))).container == ContainerID(2))
        #expect(graph.mappingCount(in: ContainerID(1)) == 0)
        #expect(graph.mappingCount(in: ContainerID(2)) == 1)
    }

    @Test func unknownIOMMUsAreInferred() {
        var graph = Graph()
        let applied = graph.apply(5, .map(MapRequest(iommu: i1, iova: 0x1000, size: 4096)))
        #expect(applied.newContainer && applied.linked && applied.container == ContainerID(1))
        #expect(graph.container(ContainerID(1))?.provenance == .inferred)
        #expect(graph.unmap(6, i2, 0).container == ContainerID(2))
        graph.apply(7, .iommuRelease(i2))
        #expect(graph.containers.map(\.id) == [ContainerID(1)])
    }

    /// Tracing began late: the mappings are seen first, and a later group shows which container
    /// they are in.
    @Test func anInferredContainerTakesItsIdentityLater() {
        var graph = Graph()
        graph.apply(5, .map(MapRequest(iommu: i1, iova: 0x1000, size: 4096)))
        graph.apply(6, .iommuAttach(i1, group: nicGroup, result: 0))
        let applied = graph.apply(7, .groupAttach(nicGroup, c1))
        #expect(applied.linked && applied.container == ContainerID(1))
        #expect(graph.container(for: c1)?.id == ContainerID(1))
        #expect(graph.groups[nicGroup]?.container == ContainerID(1))
        #expect(graph.containers.map(\.id) == [ContainerID(1)])
        #expect(graph.mappingCount(in: ContainerID(1)) == 1)
    }

    @Test func groupsMoveBetweenContainers() {
        var graph = Graph.prepared()
        #expect(graph.groups[gpuGroup]?.openDescriptors == 1)
        #expect(graph.containerID(of: gpu) == ContainerID(1))
        #expect(graph.apply(10, .groupDetach(gpuGroup, c1)).affects == .group(gpuGroup))
        #expect(graph.containerID(of: gpu) == nil)
        graph.apply(11, .containerOpen(c2))
        graph.apply(12, .groupAttach(gpuGroup, c2))
        #expect(graph.containerID(of: gpu) == ContainerID(2))
        // A detach that was lost.
        graph.apply(13, .groupAttach(gpuGroup, c1))
        #expect(graph.container(ContainerID(2))?.groups == [])
        graph.apply(14, .groupClose(gpuGroup))
        graph.apply(14, .groupClose(gpuGroup))
        #expect(graph.groups[gpuGroup]?.openDescriptors == 0)
    }
}
