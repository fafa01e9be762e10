// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport

/// Histories drawn by lot.
extension History {
    /// A history of events in any order over few containers, groups and devices: most of what it
    /// tells never happens unless records are lost.
    ///
    /// An orderly one opens and links containers as the kernel does, now and then missing an event.
    static func random(_ random: inout Random, count: Int, isOrderly: Bool) -> History {
        var history = History()
        history.session.remapsInterrupts = [true, false, nil][random.below(3)]
        history.session.allowsUnsafeInterrupts = [true, false, nil][random.below(3)]
        history.session.hasIOMMUFD = [true, false, nil][random.below(3)]
        var time: UInt64 = 2_000_000_000
        let addresses = (0..<4).map { PCIAddress(packed: UInt64(0x0200 + $0 * 0x80)) }
        func info(_ index: Int, _ random: inout Random) -> DeviceInfo {
            var info = device(
                addresses[index], group: UInt32(10 + index), bar0: UInt64(index + 1) << 32,
                driver: ["vfio-pci", "", "nvme"][random.below(3)])
            if random.chance(30) { info.bars[2] = Bar(address: UInt64(index + 1) << 32 + 1 << 24, size: 8192) }
            if random.chance(10) { info.bars = InlineArray(repeating: Bar()) }
            if random.chance(10) { info.group = nil }
            if random.chance(30) {
                info.msix = MSIXTable(bar: UInt8(random.below(3)), offset: UInt32(random.below(4)) << 12, size: 64)
            }
            // A rescan put it elsewhere.
            if random.chance(10) { info.bars[0].address += 1 << 40 }
            return info
        }
        for index in 0..<4 where random.chance(70) { history.devices.append(info(index, &random)) }
        func actor(_ random: inout Random) -> Actor {
            random.chance(5)
                ? Actor()
                : Actor(
                    process: ProcessKey(pid: UInt32(100 + random.below(3)), start: 7),
                    tid: UInt32(100 + random.below(5)),
                    uid: 0, cgroup: 1, comm: Comm(["dpdk\u{1}", "qemu \"x\"", "é"][random.below(3)]))
        }
        func container(_ random: inout Random) -> ContainerKey { ContainerKey(UInt64(0x1000 + random.below(3))) }
        func side(_ random: inout Random) -> IOMMUKey { IOMMUKey(UInt64(0x2000 + random.below(3))) }
        func iova(_ random: inout Random) -> UInt64 { UInt64(random.below(6)) << 20 }
        func say(_ actor: Actor, _ kind: Event.Kind) {
            history.events.append(Event(time: time, actor: actor, kind: kind))
        }
        func extents(_ at: UInt64, _ actor: Actor, _ random: inout Random) -> (UInt64, UInt32) {
            var bytes: UInt64 = 0
            let wanted = random.below(4)
            for index in 0..<wanted {
                let size = UInt64(1 + random.below(3)) << 12
                let address =
                    random.chance(20)
                    ? UInt64(random.below(1 << 20)) << 12
                    : UInt64(1 + random.below(4)) << 32 + UInt64(random.below(300)) << 12
                say(actor, .extent(Extent(iova: at + UInt64(index) << 14, address: address, size: size)))
                bytes += size
            }
            if random.chance(20) { bytes += 4096 }
            return (bytes, UInt32(wanted))
        }
        func map(_ iommu: IOMMUKey, at place: UInt64? = nil, provenance: Provenance? = nil, _ random: inout Random) {
            let who = actor(&random), at = place ?? iova(&random)
            let (bytes, found) = extents(at, who, &random)
            var it = MapRequest(
                iommu: iommu, iova: at, vaddr: 0x7000, size: 1 << 20, readable: random.chance(90),
                writable: random.chance(80),
                result: random.chance(10) ? -Int32(random.below(140)) : 0, deviceBytes: bytes, extentCount: found,
                moreExtents: random.chance(5), began: random.chance(80) ? time - 10 : 0, vaddrOnly: random.chance(2),
                provenance: provenance ?? (random.chance(10) ? .snapshot : .observed))
            if bytes == 0, random.chance(30) {
                let kinds: [Backing.Kind] = [.file, .memfd, .anonymous]
                it.backing = Backing(
                    kind: kinds[random.below(3)], device: 5, inode: UInt64(random.below(3)),
                    offset: UInt64(random.below(4)) << 20)
            }
            if it.provenance == .snapshot {
                it.isMemoryGone = random.chance(20)
                it.isTargetUnknown = bytes == 0 && random.chance(20)
            }
            say(who, .map(it))
        }
        func process(_ random: inout Random) -> ProcessInfo {
            let id = String(repeating: String(random.below(4)), count: 64)
            let paths = [
                "", "/", "/docker/\(id)", "/kubepods/pod1b8a4c1e-6c4f-4d62-9a0e-0d5b6c7e8f90/\(id)",
                "/system.slice/a\\x2db.service", "/\u{1}\"é",
            ]
            return ProcessInfo(
                exe: ShortText("/bin/x"), vm: ShortText(random.chance(50) ? "vm-\(random.below(2))" : ""),
                vmUUID: random.chance(30) ? "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b1\(random.below(2))" : "",
                command: random.chance(50) ? "/bin/x -v \\ \"\n\u{7f}é" : "",
                cgroupPath: paths[random.below(paths.count)],
                memoryLock: random.chance(50)
                    ? MemoryLock(
                        limit: random.chance(80) ? UInt64(random.below(4)) << 20 : nil, isLifted: random.chance(30))
                    : nil)
        }
        func step(_ random: inout Random) {
            time += UInt64(1 + random.below(60)) * 5_000_000
            let who = actor(&random), group = UInt32(10 + random.below(4)), index = random.below(4)
            let use = DeviceUse(
                device: random.chance(95) ? addresses[index] : nil, group: random.chance(80) ? UInt32(10 + index) : nil,
                openCount: random.chance(50) ? UInt32(random.below(3)) : nil,
                memoryEnabled: random.chance(50) ? random.chance(90) : nil)
            if isOrderly, random.chance(15) {
                // A container's beginning, each step seen with a probability of 85 %.
                let key = container(&random), iommu = side(&random)
                if random.chance(85) { say(who, .containerOpen(key)) }
                if random.chance(85) { say(who, .groupAttach(group, key)) }
                if random.chance(85) { say(who, .iommuOpen(iommu, type: random.chance(80) ? 3 : 1, container: nil)) }
                if random.chance(85) { say(who, .iommuAttach(iommu, group: group, result: 0)) }
                map(iommu, &random)
                return
            }
            switch random.below(30) {
            case 0: say(who, .containerOpen(container(&random)))
            case 1: say(who, .containerClose(container(&random)))
            case 2: say(who, .iommuOpen(side(&random), type: 3, container: nil))
            case 3: say(who, .iommuRelease(side(&random)))
            case 4: say(who, .iommuAttach(side(&random), group: group, result: random.chance(80) ? 0 : -16))
            case 5: say(who, random.chance(50) ? .groupOpen(group) : .groupClose(group))
            case 6: say(who, .groupAttach(group, container(&random)))
            case 7: say(who, .groupDetach(group, container(&random)))
            case 8: say(who, .deviceOpen(use))
            case 9: say(who, .deviceClose(use))
            case 10, 11: say(who, .deviceFirstOpen(use))
            case 12, 13: say(who, .deviceLastClose(use))
            case 14:
                say(
                    who,
                    .barMmap(
                        BarMmap(
                            device: addresses[index], vaddr: 1, size: 4096,
                            address: random.chance(80) ? UInt64(index + 1) << 32 : 5)))
            case 15: say(who, .deviceInfo(info(index, &random)))
            case 16:
                say(who, random.chance(50) ? .driverBind(info(index, &random)) : .driverUnbind(info(index, &random)))
            case 17: say(who, random.chance(50) ? .deviceRemove(addresses[index]) : .barsAssigned(info(index, &random)))
            case 18:
                say(
                    who,
                    .memoryDecode(addresses[index], enabled: random.chance(60), by: random.chance(50) ? .vfio : .host))
            case 19:
                say(
                    who, .reset(addresses[index], phase: random.chance(50) ? .begin : .end, wholeBus: random.chance(30))
                )
            case 20 where random.chance(30):
                let key = UInt64(random.below(4) + 1)
                switch random.below(4) {
                case 0:
                    say(
                        who,
                        .dmaBuf(
                            DMABuf(
                                .export, key: key, device: addresses[index], inode: key, size: 4096,
                                address: UInt64(random.below(3)) << 32, ranges: 1,
                                isRevoked: random.chance(30))))
                case 1: say(who, .dmaBuf(DMABuf(.revoke, device: addresses[index])))
                case 2: say(who, .dmaBuf(DMABuf(.restore, device: addresses[index])))
                default: say(who, .dmaBuf(DMABuf(.release, key: key, device: nil)))
                }
            case 20 where random.chance(50):
                say(
                    who,
                    .keptBar(
                        KeptBar(
                            device: addresses[index], address: random.chance(80) ? UInt64(index + 1) << 32 : 5,
                            size: UInt64(random.below(2) + 1) << 12,
                            isKept: random.chance(60))))
            case 20: say(who, .power(addresses[index], state: PowerState.allCases[random.below(6)], by: .host))
            case 21: say(who, .processInfo(process(&random)))
            case 22:
                say(
                    who,
                    random.chance(30)
                        ? .processExec : random.chance(50) ? .processExit : .loss(since: time - 100, lost: 9))
            case 23:
                say(
                    who,
                    .unmapRequest(
                        UnmapRequest(
                            iommu: side(&random), iova: iova(&random), size: 1 << 20, flags: 0,
                            result: random.chance(80) ? 0 : -22,
                            requested: random.chance(50) ? nil : UInt64(random.below(4)) << 19)))
            case 24, 25:
                let cause: RemovalCause = random.chance(80) ? .request : random.chance(50) ? .teardown : .failedMap
                say(
                    who,
                    .mappingRemoved(
                        MappingRemoved(iommu: side(&random), iova: iova(&random), size: 1 << 20, cause: cause)))
            default: map(side(&random), &random)
            }
        }
        /// A snapshot of anything, with events in between; of the mappings in the middle of a walk
        /// most are those that the others use, too.
        func snapshot(_ random: inout Random) {
            func between(_ random: inout Random) {
                time += 1000
                if random.chance(10) { step(&random) }
            }
            if random.chance(50) { say(Actor(), .loss(since: time - 100, lost: 9)) }
            if random.chance(95) { say(actor(&random), .snapshotBegin) }
            for _ in 0..<random.below(3) {
                between(&random)
                say(
                    actor(&random),
                    .snapshotGroup(UInt32(10 + random.below(4)), random.chance(80) ? container(&random) : nil))
            }
            for index in 0..<4 where random.chance(70) {
                between(&random)
                say(
                    actor(&random),
                    .snapshotDevice(
                        SnapshotDevice(
                            device: random.chance(95) ? addresses[index] : nil,
                            group: random.chance(80) ? UInt32(10 + index) : nil,
                            openCount: UInt32(random.below(3)),
                            memoryEnabled: random.chance(50) ? random.chance(90) : nil,
                            power: PowerState.allCases[random.below(6)])))
            }
            for _ in 0..<random.below(4) {
                let held: Held =
                    switch random.below(3) {
                    case 0: .container(container(&random))
                    case 1: .group(UInt32(10 + random.below(4)))
                    default: .device(random.chance(90) ? addresses[random.below(4)] : PCIAddress(packed: .max))
                    }
                say(actor(&random), .snapshotHolder(held, byMapping: random.chance(30)))
            }
            for _ in 0..<random.below(4) {
                between(&random)
                let iommu = side(&random)
                say(
                    actor(&random),
                    .snapshotContainer(container(&random), iommu: random.chance(90) ? iommu : nil, type: 3))
                guard random.chance(80) else { continue }
                say(actor(&random), .walkBegin(iommu))
                for place in 0..<6 as Range<UInt64> where random.chance(60) {
                    between(&random)
                    map(iommu, at: place << 20, provenance: .snapshot, &random)
                }
                if random.chance(95) { say(actor(&random), .walkEnd(iommu, mappings: 5, consistent: true)) }
            }
            if random.chance(95) { say(actor(&random), .snapshotEnd) }
        }
        for _ in 0..<count { if random.chance(3) { snapshot(&random) } else { step(&random) } }
        history.evidence = Evidence(attempted: UInt64(count), delivered: UInt64(count), ended: time + 2_000_000_000)
        return history
    }
}
