import Events
import Testing

@testable import MappingGraph

/// What rules on containers and calls ask of the graph.
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
    private func say(_ graph: inout Graph, _ kind: Event.Kind, by pid: UInt32 = 7, thread: UInt32? = nil) -> Applied {
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
            say(&it, .map(MapRequest(iommu: side, iova: number << 12, size: 0x1000)))
            say(&it, removal(number << 12), thread: UInt32(100 + number % 6))
        }
        say(&it, removal(1 << 40, .failedMap), thread: 100)
        say(&it, removal(1 << 41, .teardown), thread: 100)
        for thread in UInt32(100)..<106 {
            let both = say(&it, request(0x2000), thread: thread)
            #expect(both.removedByRequest == RemovedByRequest(mappings: 2, bytes: 0x2000))
            let none = say(&it, request(0), thread: thread)
            #expect(none.removedByRequest == RemovedByRequest())
        }
        // A release parts what is left of one generation from the next with the same pointer.
        say(&it, removal(1 << 42), thread: 100)
        say(&it, .iommuRelease(side))
        say(&it, .iommuOpen(side, type: 3, container: ContainerKey(0x100)))
        let failed = say(&it, request(0, result: -22), thread: 100)
        #expect(failed.removedByRequest == RemovedByRequest())
    }

    @Test func abandonedMappingsAreCounted() {
        var it = graph()
        for number in UInt64(0)..<10 {
            say(&it, .map(MapRequest(iommu: side, iova: number << 12, size: 0x1000)), by: number % 2 == 0 ? 7 : 8)
        }
        #expect(it.container(id)?.abandoned == 0)
        say(&it, .processExit, by: 7)
        say(&it, .processExit, by: 7)
        #expect(
            it.container(id)?.abandoned == 5 && it.hasExited(ProcessKey(pid: 7, start: 1))
                && !it.hasExited(ProcessKey(pid: 7, start: 2)))
        say(&it, removal(0))
        say(&it, removal(1 << 12))
        #expect(it.container(id)?.abandoned == 4)
        // Replaced by another's, and one of its own that comes late.
        say(&it, .map(MapRequest(iommu: side, iova: 2 << 12, size: 0x1000)), by: 8)
        say(&it, .map(MapRequest(iommu: side, iova: 1 << 30, size: 0x1000)), by: 7)
        #expect(it.container(id)?.abandoned == 4)
        for number in [4, 6, 8] as [UInt64] { #expect(say(&it, removal(number << 12)).containerChange == .nothing) }
        #expect(say(&it, removal(1 << 30)).containerChange == .state)
        #expect(it.container(id)?.abandoned == 0)
        say(&it, .processExit, by: 8)
        say(&it, .iommuRelease(side))
        #expect(it.container(id)?.abandoned == 0)
    }

    @Test func marksOfTheLimit() {
        var it = graph()
        #expect(it.mappingLimit == 65_535 && it.mappingMark == 62_259 && it.mappingRelief == 58_982)
        it.mappingLimit = 20
        var news: [Int] = []
        for number in 1...20
        where say(&it, .map(MapRequest(iommu: side, iova: UInt64(number) << 12, size: 0x1000))).containerChange
            != .nothing
        {
            news.append(number)
        }
        #expect(news == [1, 19])
        news = []
        for number in (1...20).reversed() where say(&it, removal(UInt64(number) << 12)).containerChange != .nothing {
            news.append(number - 1)
        }
        #expect(news == [17, 0])
    }

    @Test func whatLiesInARange() {
        var it = graph()
        for iova in [0x1000, 0x5000, UInt64.max - 0xfff] {
            say(&it, .map(MapRequest(iommu: side, iova: iova, size: 0x1000)))
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
        for number in UInt64(0)..<4 { say(&it, .map(MapRequest(iommu: side, iova: number << 12, size: 0x1000))) }
        func invalid() -> UInt64? { it.container(id)?.vaddrInvalid }
        say(&it, request(0x1000, flags: 4))
        #expect(invalid() == 0x1000)
        say(&it, request(0x1000, flags: 4, result: -22))
        #expect(invalid() == 0x1000)
        say(&it, request(0, flags: 6))
        #expect(invalid() == 0x4000)
        say(&it, .map(MapRequest(iommu: side, iova: 0, size: 0x1000, vaddrOnly: true)))
        say(&it, .map(MapRequest(iommu: side, iova: 0, size: 0x1000, result: -2, vaddrOnly: true)))
        #expect(invalid() == 0x3000)
        say(&it, removal(0))
        say(&it, removal(0x1000))
        #expect(invalid() == 0x2000)
        say(&it, removal(0x2000))
        #expect(say(&it, removal(0x3000)).containerChange == .state && invalid() == 0)
    }
}
