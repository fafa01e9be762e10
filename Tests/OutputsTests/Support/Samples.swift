// SPDX-License-Identifier: Apache-2.0
import Events

// Histories that the tests of several formats share.

let nic = PCIAddress("0000:02:00.0")!
let gpu = PCIAddress("0000:65:00.0")!
let vmA = Actor(
    process: ProcessKey(pid: 4242, start: 500_000_000), tid: 4243, uid: 107, cgroup: 8123, comm: Comm("qemu-system-x86")
)
let vmB = Actor(
    process: ProcessKey(pid: 5151, start: 600_000_000), tid: 5151, uid: 107, cgroup: 8200, comm: Comm("qemu-system-x86")
)

func device(_ address: PCIAddress, group: UInt32, bar0: UInt64, size: UInt64 = 1 << 20, driver: String = "vfio-pci")
    -> DeviceInfo
{
    var info = DeviceInfo(
        device: address, group: group, vendorID: 0x8086, deviceID: 0x10d3, classCode: 0x020000,
        driver: DriverName(driver))
    info.bars[0] = Bar(address: bar0, size: size)
    return info
}

extension History {
    /// Two VMs; the first maps the second's BAR and keeps it when the device closes. Every kind of
    /// event is in it.
    static func sample() -> History {
        var history = History()
        history.devices = [
            device(nic, group: 12, bar0: 0xfe00_0000), device(gpu, group: 30, bar0: 0x38_0000_0000, size: 1 << 28),
        ]
        var time: UInt64 = 2_000_000_000
        func say(_ actor: Actor, _ kind: Event.Kind, after: UInt64 = 1_000_000) {
            time += after
            history.events.append(Event(time: time, actor: actor, kind: kind))
        }
        let a = ContainerKey(0xffff_8880_0000_1000), b = ContainerKey(0xffff_8880_0000_2000)
        let ia = IOMMUKey(0xffff_8880_0000_3000), ib = IOMMUKey(0xffff_8880_0000_4000)
        say(vmA, .processInfo(ProcessInfo(exe: ShortText("/usr/bin/qemu-system-x86_64"), vm: ShortText("web-1"))))
        say(vmA, .containerOpen(a))
        say(vmA, .groupOpen(12))
        say(vmA, .groupAttach(12, a))
        say(vmA, .iommuOpen(ia, type: 3, container: nil))
        say(vmA, .iommuAttach(ia, group: 12, result: 0))
        say(vmA, .deviceFirstOpen(DeviceUse(device: nic, group: 12, memoryEnabled: true)))
        say(vmA, .deviceOpen(DeviceUse(device: nic, group: 12, openCount: 1)))
        say(vmB, .processInfo(ProcessInfo(exe: ShortText("/usr/bin/qemu-system-x86_64"), vm: ShortText(""))))
        say(vmB, .containerOpen(b))
        say(vmB, .groupOpen(30))
        say(vmB, .groupAttach(30, b))
        say(vmB, .iommuOpen(ib, type: 3, container: nil))
        say(vmB, .iommuAttach(ib, group: 30, result: 0))
        say(vmB, .deviceFirstOpen(DeviceUse(device: gpu, group: 30, memoryEnabled: true)))
        say(vmB, .deviceOpen(DeviceUse(device: gpu, group: 30, openCount: 1)))
        say(vmB, .barMmap(BarMmap(device: gpu, vaddr: 0x7f00_0000_0000, size: 1 << 28, address: 0x38_0000_0000)))
        say(vmA, .map(MapRequest(iommu: ia, iova: 0, vaddr: 0x7e00_0000_0000, size: 1 << 30, began: time)))
        say(vmA, .extent(Extent(iova: 0x80_0000_0000, address: 0x38_0010_0000, size: 1 << 20)))
        say(
            vmA,
            .map(
                MapRequest(
                    iommu: ia, iova: 0x80_0000_0000, size: 1 << 20, deviceBytes: 1 << 20, extentCount: 1, began: time))
        )
        say(vmA, .extent(Extent(iova: 0x90_0000_0000, address: 0xfe00_0000, size: 4096)))
        say(vmA, .extent(Extent(iova: 0x90_0000_2000, address: 0x1234_5000, size: 4096)))
        say(
            vmA,
            .map(
                MapRequest(
                    iommu: ia, iova: 0x90_0000_0000, size: 16384, writable: false, deviceBytes: 12288, extentCount: 2,
                    moreExtents: true)))
        say(vmA, .map(MapRequest(iommu: ia, iova: .max - 4095, size: 4096, readable: false, result: -17)))
        say(vmA, .map(MapRequest(iommu: ia, iova: .max - 4095, size: 4096)))
        say(vmA, .map(MapRequest(iommu: ia, iova: 0, size: 4096, vaddrOnly: true)))
        say(
            vmB,
            .dmaBuf(
                DMABuf(
                    .export, key: 0xffff_8880_1234_5678, device: gpu, inode: 4711, size: 69632, address: 0x38_0010_0000,
                    ranges: 2)))
        say(vmB, .dmaBuf(DMABuf(.revoke, device: gpu)))
        say(vmA, .keptBar(KeptBar(device: gpu, address: 0x38_0010_0000, size: 1 << 20, isKept: true)))
        say(vmB, .memoryDecode(gpu, enabled: false, by: .vfio))
        say(vmB, .memoryDecode(gpu, enabled: true, by: .vfio))
        say(vmA, .keptBar(KeptBar(device: gpu, address: 0x38_0010_0000, size: 1 << 20, isKept: false)))
        say(vmB, .dmaBuf(DMABuf(.restore, device: gpu)))
        say(vmB, .dmaBuf(DMABuf(.release, key: 0xffff_8880_1234_5678, device: nil)))
        say(vmB, .dmaBuf(DMABuf(.release, key: 0xffff_8880_9999_9999, device: nil)))
        say(vmB, .reset(gpu, phase: .begin, wholeBus: true))
        say(vmB, .reset(gpu, phase: .end, wholeBus: true), after: 100_000_000)
        say(Actor(), .power(gpu, state: .d3hot, by: .host))
        say(Actor(), .power(gpu, state: .d0, by: .host))
        say(vmB, .deviceClose(DeviceUse(device: gpu, group: 30, openCount: 0)))
        say(vmB, .deviceLastClose(DeviceUse(device: gpu, group: 30)))
        say(vmB, .iommuRelease(ib))
        say(vmB, .groupDetach(30, b))
        say(vmB, .groupClose(30))
        say(vmB, .containerClose(b))
        say(vmB, .processExit)
        say(Actor(), .driverUnbind(device(gpu, group: 30, bar0: 0x38_0000_0000, size: 1 << 28)), after: 900_000_000)
        say(
            Actor(), .driverBind(device(gpu, group: 30, bar0: 0x38_0000_0000, size: 1 << 28, driver: "nouveau")),
            after: 600_000_000)
        say(Actor(), .loss(since: time - 5, lost: 3), after: 700_000_000)
        say(vmA, .mappingRemoved(MappingRemoved(iommu: ia, iova: 0x80_0000_0000, size: 1 << 20, cause: .request)))
        say(vmA, .unmapRequest(UnmapRequest(iommu: ia, iova: 0x80_0000_0000, size: 1 << 20, flags: 0, result: 0)))
        say(vmA, .unmapRequest(UnmapRequest(iommu: ia, iova: 0xdead_0000, size: 0, flags: 0, result: 0)))
        say(vmA, .unmapRequest(UnmapRequest(iommu: ia, iova: 0x90_0000_0000, size: 4096, flags: 1, result: -22)))
        say(vmA, .mappingRemoved(MappingRemoved(iommu: ia, iova: 0xb000_0000, size: 4096, cause: .failedMap)))
        say(
            Actor(),
            .deviceInfo(device(PCIAddress("10000:01:1f.7")!, group: 99, bar0: 0x40_0000_0000, size: 4096, driver: "")))
        say(Actor(), .deviceRemove(gpu))
        say(vmB, .barsAssigned(device(gpu, group: 30, bar0: 0x39_0000_0000, size: 1 << 28)))
        say(vmA, .iommuAttach(ia, group: 31, result: -12))
        say(vmA, .mappingRemoved(MappingRemoved(iommu: ia, iova: 0, size: 1 << 30, cause: .teardown)))
        say(vmA, .deviceOpen(DeviceUse(device: nil, group: 77)))
        // A snapshot after the loss: one mapping of c1 is found again, one is new, one is gone.
        say(vmB, .snapshotBegin)
        say(
            vmB,
            .snapshotDevice(SnapshotDevice(device: nic, group: 12, openCount: 1, memoryEnabled: false, power: .d3hot)))
        say(
            vmB,
            .snapshotDevice(SnapshotDevice(device: nil, group: nil, openCount: 0, memoryEnabled: nil, power: .unknown)))
        say(vmB, .snapshotGroup(12, a))
        say(vmB, .snapshotGroup(30, nil))
        say(vmB, .snapshotContainer(a, iommu: ia, type: 3))
        say(vmB, .snapshotContainer(ContainerKey(0xffff_8880_0000_5000), iommu: nil, type: 0))
        say(
            vmB,
            .snapshotContainer(ContainerKey(0xffff_8880_0000_6000), iommu: IOMMUKey(0xffff_8880_0000_7000), type: 1))
        say(vmA, .snapshotHolder(.container(a), byMapping: false))
        say(vmA, .snapshotHolder(.group(12), byMapping: false))
        say(vmA, .snapshotHolder(.device(nic), byMapping: true))
        say(vmA, .snapshotHolder(.device(PCIAddress(packed: .max)), byMapping: false))
        say(vmB, .walkBegin(ia))
        say(vmA, .map(MapRequest(iommu: ia, iova: 0x5000_0000, size: 8192, provenance: .snapshot)))
        say(vmA, .map(MapRequest(iommu: ia, iova: .max - 4095, size: 4096, provenance: .snapshot)))
        say(vmB, .walkEnd(ia, mappings: 2, consistent: true))
        say(vmB, .snapshotEnd)
        history.evidence = Evidence(attempted: 100, delivered: 97, lost: 3, ended: time + 1_000_000_000)
        return history
    }

    /// Tracing begins late, and later records are lost: a snapshot each time. The second finds less
    /// than there was.
    static func late() -> History {
        var history = History()
        history.session.hooks = []
        history.devices = [device(gpu, group: 30, bar0: 0x38_0000_0000)]
        let a = ContainerKey(1 << 40), side = IOMMUKey(2 << 40),
            tool = Actor(process: ProcessKey(pid: 9, start: 9), tid: 9, comm: Comm("vfioscope"))
        var time: UInt64 = 2_000_000_000
        func say(_ actor: Actor, _ kind: Event.Kind) {
            history.events.append(Event(time: time, actor: actor, kind: kind))
            time += 1
        }
        func map(_ iova: UInt64, _ size: UInt64, peer: UInt64? = nil) {
            if let peer { say(vmA, .extent(Extent(iova: iova, address: peer, size: size))) }
            say(
                vmA,
                .map(
                    MapRequest(
                        iommu: side, iova: iova, size: size, deviceBytes: peer == nil ? 0 : size,
                        extentCount: peer == nil ? 0 : 1, provenance: .snapshot)))
        }
        func snapshot(_ mappings: () -> UInt64) {
            say(tool, .snapshotBegin)
            say(
                tool,
                .snapshotDevice(SnapshotDevice(device: gpu, group: 30, openCount: 1, memoryEnabled: true, power: .d0)))
            say(tool, .snapshotGroup(30, a))
            say(tool, .snapshotContainer(a, iommu: side, type: 3))
            say(vmA, .snapshotHolder(.container(a), byMapping: false))
            say(vmA, .snapshotHolder(.group(30), byMapping: false))
            say(vmA, .snapshotHolder(.device(gpu), byMapping: true))
            say(tool, .walkBegin(side))
            let count = mappings()
            say(tool, .walkEnd(side, mappings: count, consistent: true))
            say(tool, .snapshotEnd)
        }
        snapshot {
            map(0, 1 << 30)
            map(0x4000_0000, 4096)
            map(0x8000_0000, 1 << 20, peer: 0x38_0000_0000)
            map(0xa000_0000, 4096)
            return 4
        }
        time = 3_000_000_000
        say(Actor(), .loss(since: 2_500_000_000, lost: 7))
        snapshot {
            map(0, 1 << 30)
            map(0xa000_0000, 4096)
            map(0xb000_0000, 4096, peer: 0x38_0000_1000)
            return 3
        }
        history.evidence = Evidence(attempted: 40, delivered: 33, lost: 7, ended: 5_000_000_000)
        return history
    }

    /// A small history whose outputs are written out in tests.
    static func small() -> History {
        var history = History()
        history.session.hooks = []
        history.devices = [device(gpu, group: 30, bar0: 0x38_0000_0000)]
        let a = ContainerKey(1 << 40), side = IOMMUKey(2 << 40)
        history.events = [
            Event(time: 2_000_000_000, actor: vmA, kind: .containerOpen(a)),
            Event(time: 2_000_000_001, actor: vmA, kind: .groupAttach(30, a)),
            Event(time: 2_000_000_002, actor: vmA, kind: .iommuOpen(side, type: 3, container: nil)),
            Event(time: 2_000_000_003, actor: vmA, kind: .iommuAttach(side, group: 30, result: 0)),
            Event(
                time: 2_000_000_004, actor: vmA,
                kind: .deviceFirstOpen(DeviceUse(device: gpu, group: 30, memoryEnabled: true))),
            Event(
                time: 2_001_000_000, actor: vmA,
                kind: .map(
                    MapRequest(iommu: side, iova: 0, vaddr: 0x7f00_0000_0000, size: 1 << 30, began: 2_000_900_000))),
            Event(
                time: 2_002_000_000, actor: vmA,
                kind: .extent(Extent(iova: 0x8000_0000, address: 0x38_0000_0000, size: 1 << 20))),
            Event(
                time: 2_003_000_000, actor: vmA,
                kind: .map(
                    MapRequest(iommu: side, iova: 0x8000_0000, size: 1 << 20, deviceBytes: 1 << 20, extentCount: 1))),
            Event(time: 3_000_000_000, actor: vmA, kind: .deviceLastClose(DeviceUse(device: gpu, group: 30))),
            Event(
                time: 4_200_000_000, actor: vmA,
                kind: .mappingRemoved(MappingRemoved(iommu: side, iova: 0x8000_0000, size: 1 << 20, cause: .request))),
            Event(
                time: 4_200_000_001, actor: vmA,
                kind: .unmapRequest(UnmapRequest(iommu: side, iova: 0x8000_0000, size: 1 << 20, flags: 0, result: 0))),
        ]
        history.evidence = Evidence(attempted: 11, delivered: 11, ended: 5_000_000_000)
        return history
    }

    /// A process keeps two areas of device memory. The second is in no known BAR.
    static func keptBar(isLetGo: Bool) -> History {
        var history = History()
        history.session.hooks = []
        history.devices = [device(gpu, group: 30, bar0: 0x38_0000_0000, size: 1 << 28)]
        let kept = KeptBar(device: gpu, address: 0x38_0010_0000, size: 1 << 19, isKept: true)
        history.events = [
            Event(time: 2_000_000_000, actor: vmA, kind: .keptBar(kept)),
            Event(
                time: 2_000_000_001, actor: vmA,
                kind: .keptBar(KeptBar(device: gpu, address: 0x38_1000_0000, size: 4096, isKept: true))),
        ]
        if isLetGo {
            var over = kept
            over.isKept = false
            history.events.append(Event(time: 3_000_000_000, actor: vmA, kind: .keptBar(over)))
        }
        history.evidence.ended = 4_000_000_000
        return history
    }
}
