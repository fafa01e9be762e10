// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
import TestSupport
import Testing

@testable import Pipeline

/// What is not seen makes the evidence incomplete, by name.
@Suite struct UnseenTests {
    private let sentence =
        "0000:02:00.0 is used by qemu-a (pid 100) through iommufd, which is not traced: its mappings are unknown"

    private func finish(_ history: [Event]) -> Evidence {
        var pipeline = Pipeline(observer: NoObserver())
        for event in history { pipeline.consume(event) }
        return pipeline.finish(Evidence(ended: 1000))
    }

    private func use(_ device: PCIAddress, isBound: Bool) -> DeviceUse {
        var use = DeviceUse(device: device, group: nicGroup, openCount: 1)
        use.usesIOMMUFD = isBound
        return use
    }

    @Test func aDeviceThatIsBoundToAnIOMMUFD() {
        let open = Event(time: 5, actor: vmA, kind: .deviceOpen(use(nic, isBound: true)))
        #expect(
            finish([open, open]).defects == [sentence])
        #expect(finish([Event(time: 5, actor: vmA, kind: .deviceOpen(use(nic, isBound: false)))]).isComplete)
    }

    /// It stays in the evidence after the device is closed, and each user counts.
    @Test func usersOneAfterTheOther() {
        let defects = finish([
            Event(time: 5, actor: vmA, kind: .deviceOpen(use(nic, isBound: true))),
            Event(time: 6, actor: vmA, kind: .deviceLastClose(DeviceUse(device: nic))),
            Event(time: 7, actor: vmB, kind: .deviceOpen(use(nic, isBound: true))),
        ]).defects
        #expect(defects.count == 2 && defects[0].contains("pid 100") && defects[1].contains("pid 200"))
    }

    /// Of a device that was bound before tracing, a snapshot shows the holder later.
    @Test func aSnapshotFindsTheUser() {
        var found = SnapshotDevice(device: nic, group: nicGroup, openCount: 1, memoryEnabled: true, power: .d0)
        found.usesIOMMUFD = true
        let history = [
            Event(time: 5, kind: .snapshotBegin), Event(time: 5, kind: .snapshotDevice(found)),
            Event(time: 6, actor: vmA, kind: .snapshotHolder(.device(nic), byMapping: false)),
            Event(time: 7, kind: .snapshotEnd),
        ]
        #expect(finish(history).defects == [sentence])
    }

    @Test func othersUsesAreTold() {
        var pipeline = Pipeline(observer: NoObserver())
        pipeline.consume(Event(time: 5, actor: vmA, kind: .deviceOpen(use(nic, isBound: true))))
        pipeline.consume(Event(time: 6, actor: vmB, kind: .deviceOpen(use(gpu, isBound: true))))
        let isOwn = { (process: ProcessKey) in process == vmA.process }
        #expect(unseenUses(pipeline.graph, by: isOwn).map { $0.hasPrefix(nic.description) } == [true])
        #expect(unseenUses(pipeline.graph) { !isOwn($0) }.map { $0.hasPrefix(gpu.description) } == [true])
    }

    @Test func aMappingWhoseTargetCouldNotBeRead() {
        var map = MapRequest(iommu: i1, iova: window, size: size, provenance: .snapshot)
        map.isTargetUnknown = true
        let begin = [
            Event(time: 5, kind: .snapshotBegin), Event(time: 5, kind: .snapshotContainer(c1, iommu: i1, type: 3)),
            Event(time: 6, kind: .walkBegin(i1)),
        ]
        let end = [
            Event(time: 8, kind: .walkEnd(i1, mappings: 1, consistent: true)), Event(time: 9, kind: .snapshotEnd),
        ]
        let found = begin + [Event(time: 7, actor: vmA, kind: .map(map))] + end
        #expect(finish(found).defects.map { $0.hasPrefix("it is unknown where 1 mapping leads") } == [true])
        // A later snapshot finds it again: it is the same mapping.
        #expect(finish(found + found).defects.map { $0.hasPrefix("it is unknown where 1 mapping leads") } == [true])
        map.isTargetUnknown = false
        #expect(finish(begin + [Event(time: 7, actor: vmA, kind: .map(map))] + end).isComplete)
    }
}
