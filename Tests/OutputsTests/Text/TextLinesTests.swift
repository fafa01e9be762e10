// SPDX-License-Identifier: Apache-2.0
import Events
import Testing
@testable import Outputs

/// The lines for people.
@Suite struct TextLinesTests {
    private let side = IOMMUKey(7)

    private func lines(of events: [(Actor, Event.Kind)], colour: Bool = false) -> [String] {
        var history = History()
        history.session.hooks = []
        for (index, (actor, kind)) in events.enumerated() {
            history.events.append(Event(time: 2_000_000_000 + UInt64(index), actor: actor, kind: kind))
        }
        return OutputsTests.lines(history.run(TextLines(options: OutputOptions(colour: colour)))).dropFirst().dropLast()
            .map { $0 }
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
        #expect(
            found[0].contains("hit nothing") && found[2].contains("said to be removed; seen: 4 KiB")
                && found[3].contains("unmap FAILED"))
    }

    @Test func unmapsOfMoreOrLessThanWasAskedForAreShown() {
        let found = lines(of: [
            (vmA, .mappingRemoved(MappingRemoved(iommu: side, iova: 0x1000, size: 4096, cause: .request))),
            (
                vmA,
                .unmapRequest(
                    UnmapRequest(iommu: side, iova: 0x1000, size: 4096, flags: 0, result: 0, requested: 16384))
            ),
            (vmA, .map(MapRequest(iommu: side, iova: 0x8000, size: 4096))),
            (
                vmB,
                .unmapRequest(UnmapRequest(iommu: side, iova: 0x7000, size: 0, flags: 0, result: 0, requested: 8192))
            ),
        ])
        #expect(found.contains { $0.contains("16 KiB  asked for; removed: 4 KiB") })
        #expect(found.contains { $0.contains("at 0x7000  removed nothing, but a mapping is there") })
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
            (
                vmA,
                .processInfo(ProcessInfo(exe: ShortText("/usr/bin/qemu"), vm: ShortText("a-very-long-name-of-a-vm")))
            ),
            (vmA, .groupOpen(1)), (vmB, .groupOpen(2)), (Actor(), .deviceRemove(nic)),
        ])
        #expect(
            found == [
                "14:13:22.000  a-very-long-nam… 4242     group open     group 1",
                "14:13:22.000  qemu-system-x86  5151     group open     group 2",
                "14:13:22.000  kernel                    removed        0000:02:00.0",
            ])
    }

    @Test func colourOnlyWhenTold() {
        let events: [(Actor, Event.Kind)] = [(vmA, .map(MapRequest(iommu: side, iova: 0, size: 4096, result: -12)))]
        #expect(!lines(of: events)[0].contains("\u{1b}"))
        #expect(lines(of: events, colour: true)[0].contains("\u{1b}[33mmap FAILED"))
    }

    /// A group turns up with its container and by itself; only open devices count.
    @Test func aSnapshotIsOneLine() {
        func device(_ address: PCIAddress?, open: UInt32) -> Event.Kind {
            .snapshotDevice(SnapshotDevice(device: address, group: 1, openCount: open, memoryEnabled: nil, power: .d0))
        }
        var events: [(Actor, Event.Kind)] = [
            (vmA, .snapshotBegin), (vmA, device(nic, open: 1)), (vmA, device(nil, open: 1)),
            (vmA, device(gpu, open: 0)), (vmA, .snapshotGroup(1, ContainerKey(5))),
            (vmA, .snapshotGroup(1, ContainerKey(5))), (vmA, .snapshotContainer(ContainerKey(5), iommu: side, type: 3)),
            (vmA, .walkBegin(side)),
        ]
        for place in 0..<1234 as Range<UInt64> {
            events.append((vmB, .map(MapRequest(iommu: side, iova: place << 12, size: 4096, provenance: .snapshot))))
        }
        events += [
            (vmA, .walkEnd(side, mappings: 1234, consistent: true)), (vmA, .snapshotEnd), (vmA, .snapshotBegin),
            (vmA, .snapshotEnd),
        ]
        #expect(
            lines(of: events) == [
                "14:13:22.000  kernel                    snapshot       1 container, 1 group, 2 devices open, 1,234 "
                    + "mappings",
                "14:13:22.000  kernel                    snapshot       0 containers, 0 groups, 0 devices open, 0 "
                    + "mappings",
            ])
    }

    @Test func whatASnapshotDoesNotFindIsOneLine() {
        func snapshot(_ iovas: [UInt64]) -> [(Actor, Event.Kind)] {
            [
                (vmA, .snapshotBegin), (vmA, .snapshotContainer(ContainerKey(5), iommu: side, type: 3)),
                (vmA, .walkBegin(side)),
            ]
                + iovas.map { (vmB, .map(MapRequest(iommu: side, iova: $0, size: 4096, provenance: .snapshot))) } + [
                    (vmA, .walkEnd(side, mappings: 0, consistent: true)), (vmA, .snapshotEnd),
                ]
        }
        let loss: [(Actor, Event.Kind)] = [(Actor(), .loss(since: 1, lost: 1))]
        let found = lines(
            of: snapshot([0, 4096, 8192, 12288, 16384]) + loss + snapshot([4096, 12288]) + loss + snapshot([12288]))
        #expect(
            found.filter { $0.contains("resync") } == [
                "14:13:22.000  kernel                    resync         c1   3 mappings were gone: their removal was "
                    + "not seen",
                "14:13:22.000  kernel                    resync         c1   1 mapping was gone: its removal was not "
                    + "seen",
            ])
    }

    @Test func everyKindOfEventHasALineOrIsRoutine() {
        for event in History.sample().events {
            let count = lines(of: [(event.actor, event.kind)]).count
            switch event.kind {
            case .extent, .deviceInfo, .processInfo: #expect(count == 0)
            case .iommuOpen, .iommuAttach: #expect(count <= 1)
            case .snapshotBegin, .snapshotContainer, .snapshotGroup, .snapshotDevice, .snapshotHolder, .walkBegin,
                .walkEnd:
                #expect(count == 0)
            case .map(let map) where map.provenance == .snapshot: #expect(count == 0)
            // What a device is already; see `ShownState`.
            case .memoryDecode(_, true, _), .power(_, .d0, _): #expect(count == 0)
            case .mappingRemoved(let removal) where removal.cause == .failedMap: #expect(count == 0)
            default: #expect(count == 1, "\(event.kind)")
            }
        }
    }

    @Test func keptBars() {
        let found = OutputsTests.lines(History.keptBar(isLetGo: true).run(TextLines(options: OutputOptions())))
        #expect(found.contains { $0.contains("BAR kept") && $0.hasSuffix("\(gpu) BAR0+0x100000  512 KiB") })
        #expect(found.contains { $0.contains("BAR let go") })
    }

    @Test func whatAPolicySuppressesIsMarkedAndDoesNotCount() {
        let marked = written(TextLines(), suppressed: ["JIRA-1"])
        #expect(
            marked.contains("  -- HIGH stale-mapping f1") && marked.contains("suppressed by the policy: JIRA-1\n")
                && marked.contains("No findings; "))
        #expect(written(TextLines(), suppressed: [nil]).contains("  !! HIGH stale-mapping f1"))
    }
}
