// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import MappingGraph

/// Tests the queries of rules that judge containers and requests.
@Suite struct GraphRequestTests {
    private let side = IOMMUKey(0x1000), id = ContainerID(1)

    private func graph() -> Graph {
        var graph = Graph()
        _ = graph.apply(Event(time: 1, kind: .containerOpen(ContainerKey(0x100))))
        _ = graph.apply(Event(time: 2, kind: .iommuOpen(side, type: 3, container: ContainerKey(0x100))))
        return graph
    }

    private func actor(_ pid: UInt32, thread: UInt32? = nil) -> Actor {
        Actor(process: ProcessKey(pid: pid, start: 1), tid: thread ?? pid)
    }

    @discardableResult
    private func apply(_ graph: inout Graph, _ kind: Event.Kind, by pid: UInt32 = 7, thread: UInt32? = nil) -> Applied {
        graph.apply(Event(time: 10, actor: actor(pid, thread: thread), kind: kind))
    }

    private func removal(_ iova: UInt64, _ cause: RemovalCause = .request) -> Event.Kind {
        .mappingRemoved(MappingRemoved(iommu: side, iova: iova, size: 0x1000, cause: cause))
    }

    private func request(_ size: UInt64, flags: UInt32 = 0, result: Int32 = 0) -> Event.Kind {
        .unmapRequest(UnmapRequest(iommu: side, iova: 0, size: size, flags: flags, result: result))
    }

    @Test func removalsBelongToTheRequestOfTheirThread() {
        var it = graph()
        for number in UInt64(0)..<12 {
            apply(&it, .map(MapRequest(iommu: side, iova: number << 12, size: 0x1000)))
            apply(&it, removal(number << 12), thread: UInt32(100 + number % 6))
        }
        apply(&it, removal(1 << 40, .failedMap), thread: 100)
        apply(&it, removal(1 << 41, .teardown), thread: 100)
        for thread in UInt32(100)..<106 {
            let both = apply(&it, request(0x2000), thread: thread)
            #expect(both.removedByRequest == RemovedByRequest(mappings: 2, bytes: 0x2000))
            let none = apply(&it, request(0), thread: thread)
            #expect(none.removedByRequest == RemovedByRequest())
        }
        // After a release, removals of one generation do not count for the next one with the same
        // pointer.
        apply(&it, removal(1 << 42), thread: 100)
        apply(&it, .iommuRelease(side))
        apply(&it, .iommuOpen(side, type: 3, container: ContainerKey(0x100)))
        let failed = apply(&it, request(0, result: -22), thread: 100)
        #expect(failed.removedByRequest == RemovedByRequest())
    }

    @Test func abandonedMappingsAreCounted() {
        var it = graph()
        for number in UInt64(0)..<10 {
            apply(&it, .map(MapRequest(iommu: side, iova: number << 12, size: 0x1000)), by: number % 2 == 0 ? 7 : 8)
        }
        #expect(it.container(id)?.abandoned == 0)
        apply(&it, .processExit, by: 7)
        apply(&it, .processExit, by: 7)
        #expect(
            it.container(id)?.abandoned == 5 && it.hasExited(ProcessKey(pid: 7, start: 1))
                && !it.hasExited(ProcessKey(pid: 7, start: 2)))
        apply(&it, removal(0))
        apply(&it, removal(1 << 12))
        #expect(it.container(id)?.abandoned == 4)
        // One mapping is replaced by another process's, and a late map arrives from the process
        // that has exited.
        apply(&it, .map(MapRequest(iommu: side, iova: 2 << 12, size: 0x1000)), by: 8)
        apply(&it, .map(MapRequest(iommu: side, iova: 1 << 30, size: 0x1000)), by: 7)
        #expect(it.container(id)?.abandoned == 4)
        for number in [4, 6, 8] as [UInt64] { #expect(apply(&it, removal(number << 12)).containerChange == .nothing) }
        #expect(apply(&it, removal(1 << 30)).containerChange == .state)
        #expect(it.container(id)?.abandoned == 0)
        apply(&it, .processExit, by: 8)
        apply(&it, .iommuRelease(side))
        #expect(it.container(id)?.abandoned == 0)
    }

    @Test func marksOfTheLimit() {
        var it = graph()
        #expect(it.mappingLimit == 65_535 && it.mappingMark == 62_259 && it.mappingRelief == 58_982)
        it.mappingLimit = 20
        var news: [Int] = []
        for number in 1...20
        where apply(&it, .map(MapRequest(iommu: side, iova: UInt64(number) << 12, size: 0x1000))).containerChange
            != .nothing
        {
            news.append(number)
        }
        #expect(news == [1, 19])
        news = []
        for number in (1...20).reversed() where apply(&it, removal(UInt64(number) << 12)).containerChange != .nothing {
            news.append(number - 1)
        }
        #expect(news == [17, 0])
    }

    @Test func whatLiesInARange() {
        var it = graph()
        for iova in [0x1000, 0x5000, UInt64.max - 0xfff] {
            apply(&it, .map(MapRequest(iommu: side, iova: iova, size: 0x1000)))
        }
        func found(_ first: UInt64, _ last: UInt64) -> UInt64? { it.mapping(overlapping: first, last, in: id)?.iova }
        #expect(
            found(0, 0xfff) == nil && found(0x2000, 0x4fff) == nil && found(0x6000, .max - 0x1000) == nil
                && found(9, 8) == nil)
        #expect(found(0, 0x1000) == 0x1000 && found(0x1fff, 0x1fff) == 0x1000 && found(0x1fff, 0x4fff) == 0x1000)
        #expect(found(0, 0x5000) == 0x5000 && found(0, .max) == .max - 0xfff && found(.max, .max) == .max - 0xfff)
    }

    @Test func invalidAddressesAreBytesOfWhatIsMapped() {
        var it = graph()
        for number in UInt64(0)..<4 { apply(&it, .map(MapRequest(iommu: side, iova: number << 12, size: 0x1000))) }
        func invalid() -> UInt64? { it.container(id)?.vaddrInvalid }
        apply(&it, request(0x1000, flags: 4))
        #expect(invalid() == 0x1000)
        apply(&it, request(0x1000, flags: 4, result: -22))
        #expect(invalid() == 0x1000)
        apply(&it, request(0, flags: 6))
        #expect(invalid() == 0x4000)
        apply(&it, .map(MapRequest(iommu: side, iova: 0, size: 0x1000, vaddrOnly: true)))
        apply(&it, .map(MapRequest(iommu: side, iova: 0, size: 0x1000, result: -2, vaddrOnly: true)))
        #expect(invalid() == 0x3000)
        apply(&it, removal(0))
        apply(&it, removal(0x1000))
        #expect(invalid() == 0x2000)
        apply(&it, removal(0x2000))
        #expect(apply(&it, removal(0x3000)).containerChange == .state && invalid() == 0)
    }
}
