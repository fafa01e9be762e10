import Events
import Testing
@testable import Outputs

@Suite struct TextLinesTests {
    private let side = IOMMUKey(7)

    private func lines(of events: [(Actor, Event.Kind)], colour: Bool = false) -> [String] {
        var history = History()
        history.session.hooks = []
        for (index, (actor, kind)) in events.enumerated() { history.events.append(Event(time: 2_000_000_000 + UInt64(index), actor: actor, kind: kind)) }
        return OutputsTests.lines(history.run(TextLines(options: OutputOptions(colour: colour)))).dropFirst().dropLast().map { $0 }
    }

    @Test func unmapsThatDidWhatTheyShouldAreFolded() {
        let found = lines(of: [
            (vmA, .mappingRemoved(MappingRemoved(iommu: side, iova: 0x1000, size: 4096, cause: .request))),
            (vmA, .mappingRemoved(MappingRemoved(iommu: side, iova: 0x2000, size: 4096, cause: .request))),
            (vmA, .unmapRequest(UnmapRequest(iommu: side, iova: 0x1000, size: 8192, flags: 0, result: 0))),
        ])
        #expect(found.count == 2 && found.allSatisfy { $0.contains(" unmap ") })
    }

    @Test func unmapsThatDidNotAreShown() {
        let found = lines(of: [
            (vmA, .unmapRequest(UnmapRequest(iommu: side, iova: 0x1000, size: 0, flags: 0, result: 0))),
            (vmA, .mappingRemoved(MappingRemoved(iommu: side, iova: 0x2000, size: 4096, cause: .request))),
            (vmA, .unmapRequest(UnmapRequest(iommu: side, iova: 0x2000, size: 8192, flags: 0, result: 0))),
            (vmA, .unmapRequest(UnmapRequest(iommu: side, iova: 0x1000, size: 4096, flags: 0, result: -22))),
        ])
        #expect(found.count == 4)
        #expect(found[0].contains("hit nothing") && found[2].contains("said to be removed; seen: 4 KiB") && found[3].contains("unmap FAILED"))
    }

    /// A removal by one thread does not excuse the request of another.
    @Test func foldingIsByThread() {
        let found = lines(of: [
            (vmB, .mappingRemoved(MappingRemoved(iommu: side, iova: 0x2000, size: 4096, cause: .request))),
            (vmA, .unmapRequest(UnmapRequest(iommu: side, iova: 0x2000, size: 4096, flags: 0, result: 0))),
        ])
        #expect(found.count == 2)
    }

    @Test func namesAreOfTheVM() {
        let found = lines(of: [
            (vmA, .processInfo(ProcessInfo(exe: ShortText("/usr/bin/qemu"), vm: ShortText("a-very-long-name-of-a-vm")))),
            (vmA, .groupOpen(1)), (vmB, .groupOpen(2)), (Actor(), .deviceRemove(nic)),
        ])
        #expect(found == [
            "14:13:22.000  a-very-long-nam… 4242     group open     group 1", "14:13:22.000  qemu-system-x86  5151     group open     group 2",
            "14:13:22.000  kernel                    removed        0000:02:00.0",
        ])
    }

    @Test func colourOnlyWhenTold() {
        let events: [(Actor, Event.Kind)] = [(vmA, .map(Map(iommu: side, iova: 0, size: 4096, result: -12)))]
        #expect(!lines(of: events)[0].contains("\u{1b}"))
        #expect(lines(of: events, colour: true)[0].contains("\u{1b}[33mmap FAILED"))
    }

    @Test func everyKindOfEventHasALineOrIsRoutine() {
        for event in History.sample().events {
            let count = lines(of: [(event.actor, event.kind)]).count
            switch event.kind {
            case .extent, .deviceInfo, .processInfo: #expect(count == 0)
            case .iommuOpen, .iommuAttach: #expect(count <= 1)
            // What a device is already; see `ShownState`.
            case .memoryDecode(_, true, _), .power(_, .d0, _): #expect(count == 0)
            case .mappingRemoved(let removal) where removal.cause == .failedMap: #expect(count == 0)
            default: #expect(count == 1, "\(event.kind)")
            }
        }
    }
}
