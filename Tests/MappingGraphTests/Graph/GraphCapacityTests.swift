// SPDX-License-Identifier: Apache-2.0
import Events
@testable import MappingGraph
import TestSupport
import Testing

// Tests pinned memory, limits and growth rates.

private let second: UInt64 = 1_000_000_000
private let page: UInt64 = 4096

@Suite("Capacity")
struct GraphCapacityTests {
    private func ram(
        _ graph: inout Graph, _ time: UInt64, _ iova: UInt64, size: UInt64 = page, iommu: IOMMUKey = i1,
        by actor: Actor = vmA,
        provenance: Provenance = .observed
    ) {
        graph.apply(time, .map(MapRequest(iommu: iommu, iova: iova, size: size, provenance: provenance)), by: actor)
    }

    private func pinned(_ graph: borrowing Graph, _ actor: Actor) -> UInt64? {
        graph.memoryCapacity(of: actor.process, at: .max)?.pinnedBytes
    }

    private func limit(_ graph: inout Graph, _ bytes: UInt64?, isLifted: Bool = false, by actor: Actor = vmA) {
        graph.apply(
            10,
            .processInfo(ProcessInfo(exe: ShortText("/x"), memoryLock: MemoryLock(limit: bytes, isLifted: isLifted))),
            by: actor)
    }

    // MARK: Pinned memory

    @Test func ramCountsAndDeviceMemoryDoesNot() {
        var graph = Graph.prepared()
        #expect(pinned(graph, vmA) == nil)
        ram(&graph, 100, 0x10000, size: 8 * page)
        graph.map(101, i1, 0x8000_0000, to: nicBar, size: barSize)
        #expect(pinned(graph, vmA) == 8 * page)
        // Half of it is a BAR.
        graph.apply(102, .extent(Extent(iova: 0x9000_0000, address: nicBar, size: page)))
        graph.apply(
            102, .map(MapRequest(iommu: i1, iova: 0x9000_0000, size: 2 * page, deviceBytes: page, extentCount: 1)))
        #expect(pinned(graph, vmA) == 9 * page)
        graph.unmap(103, i1, 0x9000_0000, 2 * page)
        graph.unmap(104, i1, 0x8000_0000, barSize)
        #expect(pinned(graph, vmA) == 8 * page)
        graph.unmap(105, i1, 0x10000, 8 * page)
        #expect(pinned(graph, vmA) == 0)
    }

    @Test func eachContainerCounts() {
        var graph = Graph.prepared()
        ram(&graph, 100, 0, size: page)
        ram(&graph, 101, 0, size: page, iommu: i2)
        ram(&graph, 102, 0x10000, size: 2 * page, by: vmB)
        #expect(pinned(graph, vmA) == 2 * page && pinned(graph, vmB) == 2 * page)
        // The IOMMU side is released with mappings in it, whose removals were not seen.
        graph.apply(200, .iommuRelease(i1))
        #expect(pinned(graph, vmA) == page && pinned(graph, vmB) == 0)
    }

    @Test func aMapOverAnotherTakesItsPlace() {
        var graph = Graph.prepared()
        ram(&graph, 100, 0, size: 4 * page)
        ram(&graph, 101, 0, size: page, by: vmB)
        #expect(pinned(graph, vmA) == 0 && pinned(graph, vmB) == page)
    }

    /// Compares the counts with sums over the mappings themselves, after each of many events in
    /// random order.
    @Test(arguments: 1...8)
    func sumsAgreeWithTheMappings(_ seed: Int) {
        var random = Random(seed: UInt64(seed))
        var graph = Graph.prepared()
        let actors = [vmA, vmB, actor(300)]
        for actor in actors { limit(&graph, 16 * page, by: actor) }
        for step in 0..<2000 {
            let time = 1000 + UInt64(step), iommu = random.chance(50) ? i1 : i2,
                iova = UInt64(random.below(12)) * 0x10_0000
            let who = actors[random.below(3)], size = UInt64(1 + random.below(8)) * page
            switch random.below(20) {
            case 0: graph.apply(time, .iommuRelease(iommu))
            case 1: graph.map(time, iommu, iova, to: random.chance(50) ? nicBar : 0x1234_5000, size: size, by: who)
            case 2...7: graph.unmap(time, iommu, iova, size)
            case 8: limit(&graph, random.chance(80) ? UInt64(random.below(32)) * page : nil, by: who)
            case 9: graph.apply(time, .snapshotBegin)
            case 10: graph.apply(time, .snapshotEnd)
            case 11: graph.apply(time, .walkBegin(iommu))
            case 12: graph.apply(time, .walkEnd(iommu, mappings: 0, consistent: true))
            case 13: graph.apply(time, .processExit, by: who)
            default:
                ram(
                    &graph, time, iova, size: size, iommu: iommu, by: who,
                    provenance: random.chance(20) ? .snapshot : .observed)
            }
            var sums: [ProcessKey: UInt64] = [:]
            for container in graph.allContainers {
                for mapping in graph.mappings(in: container.id) {
                    sums[graph.actor(at: mapping.owner).process, default: 0] += graph.ramBytes(of: mapping)
                }
            }
            for actor in actors {
                let capacity = graph.memoryCapacity(of: actor.process, at: .max)
                #expect(capacity?.pinnedBytes ?? 0 == sums[actor.process] ?? 0, "step \(step)")
                if let limit = capacity?.limitBytes, let sum = capacity?.pinnedBytes, sum > 0, sum * 100 < limit * 90 {
                    #expect(
                        !graph.allContainers.contains { graph.nearMemoryLimit(in: $0.id)?.process == actor.process },
                        "step \(step)")
                }
            }
        }
    }

    @Test func limitsAreLiftedByACapability() {
        var graph = Graph.prepared()
        limit(&graph, 16 * page, isLifted: true)
        ram(&graph, 100, 0, size: 64 * page)
        #expect(
            graph.memoryCapacity(of: vmA.process, at: 200)?.limitBytes == nil
                && graph.nearMemoryLimit(in: ContainerID(1)) == nil)
        limit(&graph, 16 * page)
        #expect(graph.nearMemoryLimit(in: ContainerID(1)) == vmA)
        limit(&graph, nil)
        #expect(graph.nearMemoryLimit(in: ContainerID(1)) == nil)
    }

    // MARK: Rates

    @Test func timeToExhaustionAtASteadyRate() {
        var graph = Graph.prepared()
        graph.mappingLimit = 1000
        limit(&graph, 4000 * page)
        // Ten mappings a second, of ten pages each.
        for step in 0..<UInt64(100) { ram(&graph, 10 * second + step * second / 10, step * 0x10_0000, size: 10 * page) }
        let now = 20 * second
        let mappings = graph.mappingCapacity(of: ContainerID(1), at: now),
            memory = graph.memoryCapacity(of: vmA.process, at: now)
        #expect(mappings.mappings == 100 && mappings.limit == 1000)
        #expect((85 * second...95 * second).contains(mappings.exhaustedIn ?? 0))
        #expect((28 * second...32 * second).contains(memory?.exhaustedIn ?? 0))
        // Nothing more happens: the rate falls, and after the window there is none.
        #expect(graph.mappingCapacity(of: ContainerID(1), at: now + 2 * second).exhaustedIn ?? 0 > 95 * second)
        #expect(graph.mappingCapacity(of: ContainerID(1), at: now + 5 * second).exhaustedIn == nil)
    }

    @Test func noneWhenShrinkingOrTooSoonOrFoundByASnapshot() {
        var graph = Graph.prepared()
        for step in 0..<UInt64(100) { ram(&graph, 10 * second + step, step * 0x10_0000) }
        #expect(graph.mappingCapacity(of: ContainerID(1), at: 10 * second + 1000).exhaustedIn == nil)
        for step in 0..<UInt64(100) { graph.unmap(16 * second + step * second / 50, i1, step * 0x10_0000) }
        #expect(graph.mappingCapacity(of: ContainerID(1), at: 18 * second).exhaustedIn == nil)
        #expect(graph.memoryCapacity(of: vmA.process, at: 18 * second)?.exhaustedIn == nil)
        for step in 0..<UInt64(100) {
            ram(&graph, 30 * second + step * second / 50, step * 0x10_0000, provenance: .snapshot)
        }
        #expect(graph.mappingCapacity(of: ContainerID(1), at: 32 * second).mappings == 100)
        #expect(graph.mappingCapacity(of: ContainerID(1), at: 32 * second).exhaustedIn == nil)
    }

    @Test func ratesOfAnySizeDoNotTrap() {
        var growth = Growth()
        growth.add(.min, at: 0)
        growth.add(.max, at: second)
        growth.add(.max, at: 2 * second)
        growth.add(.max, at: second)
        for now in [0, second, 3 * second, .max] { _ = growth.nanoseconds(toGrowBy: .max, at: now) }
    }
}
