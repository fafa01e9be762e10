// SPDX-License-Identifier: Apache-2.0
import CRecords

/// Decodes raw records, as the ring delivers and a recording stores them, into events.
///
/// It is a state machine without I/O. Its state is the set of threads that are detaching a group
/// from an IOMMU: a mapping that `vfio_remove_dma` removes meanwhile is removed by the teardown and
/// not by a request.
public struct RecordDecoder: Sendable {
    private var detaching: [(tid: UInt32, iommu: UInt64)] = [] {
        didSet { isTakingDown = !detaching.isEmpty }
    }
    /// Whether any thread is detaching a group from an IOMMU.
    @usableFromInline private(set) var isTakingDown = false
    /// The number of records that were too short or of an unknown type. The recording is newer than
    /// this version, or damaged.
    public private(set) var unknownRecords: UInt64 = 0

    public init() {}

    /// Returns the event that `record` stands for, or nil if it stands for none. O(1), without
    /// allocation.
    ///
    /// - Precondition: `record` points to `count` readable bytes, aligned to 8.
    public mutating func decode(_ record: UnsafeRawPointer, count: Int) -> Event? {
        guard count >= MemoryLayout<vs_header>.size else {
            unknownRecords += 1
            return nil
        }
        var header = record.load(as: vs_header.self)
        // A damaged record can contain any size.
        header.size = UInt16(min(Int(header.size), count))
        guard let wanted = Self.size(of: UInt32(header.type)), count >= wanted else {
            unknownRecords += 1
            return nil
        }
        guard let kind = kind(of: record, header, count) else { return nil }
        return Event(time: header.time, actor: Actor(at: record), kind: kind)
    }

    private mutating func kind(of record: UnsafeRawPointer, _ header: vs_header, _ size: Int) -> Event.Kind? {
        switch vs_type(UInt32(header.type)) {
        case VS_MAP:
            return withUnsafeBytes(of: padded(record, size, vs_map())) { .map(MapRequest(at: $0.baseAddress!)) }
        case VS_REMOVE: return .mappingRemoved(removal(record))
        case VS_UNMAP:
            return withUnsafeBytes(of: padded(record, size, vs_unmap())) {
                .unmapRequest(UnmapRequest(at: $0.baseAddress!))
            }
        case VS_EXTENT:
            let raw = record.load(as: vs_extent.self)
            return .extent(Extent(iova: raw.iova, address: raw.phys, size: raw.bytes))
        case VS_CONTAINER_OPEN: return .containerOpen(ContainerKey(record.load(as: vs_container.self).container))
        case VS_CONTAINER_CLOSE: return .containerClose(ContainerKey(record.load(as: vs_container.self).container))
        case VS_IOMMU_OPEN, VS_IOMMU_RELEASE, VS_IOMMU_ATTACH, VS_IOMMU_DETACH:
            return iommuKind(record.load(as: vs_iommu.self), header)
        case VS_GROUP_OPEN: return .groupOpen(record.load(as: vs_group.self).number)
        case VS_GROUP_CLOSE: return .groupClose(record.load(as: vs_group.self).number)
        case VS_GROUP_ATTACH:
            let raw = record.load(as: vs_group.self)
            return .groupAttach(raw.number, ContainerKey(raw.container))
        case VS_GROUP_DETACH:
            let raw = record.load(as: vs_group.self)
            return .groupDetach(raw.number, ContainerKey(raw.container))
        case VS_DEVICE_OPEN: return .deviceOpen(DeviceUse(record.load(as: vs_device.self), first: false))
        case VS_DEVICE_CLOSE: return .deviceClose(DeviceUse(record.load(as: vs_device.self), first: false))
        case VS_DEVICE_ENABLE: return .deviceFirstOpen(DeviceUse(record.load(as: vs_device.self), first: true))
        case VS_DEVICE_DISABLE: return .deviceLastClose(DeviceUse(record.load(as: vs_device.self), first: false))
        case VS_BAR_MMAP:
            let raw = record.load(as: vs_bar_mmap.self)
            return .barMmap(
                BarMmap(device: PCIAddress(packed: raw.pci), vaddr: raw.vaddr, size: raw.size, address: raw.phys))
        case VS_MEMORY, VS_RESET, VS_POWER, VS_PCI_REMOVE: return pciKind(record.load(as: vs_pci.self), header)
        case VS_DRIVER:
            let info = DeviceInfo(record, header)
            let action = record.load(fromByteOffset: MemoryLayout<vs_driver>.offset(of: \.action)!, as: UInt32.self)
            return action == VS_BOUND.rawValue ? .driverBind(info) : .driverUnbind(info)
        case VS_DEVICE_INFO: return .deviceInfo(DeviceInfo(record, header))
        case VS_BAR_MOVE: return .barsAssigned(DeviceInfo(record, header))
        case VS_EXIT: return .processExit
        case VS_DMA_BUF: return dmaBufKind(record.load(as: vs_dma_buf.self))
        case VS_KEPT_BAR: return keptBarKind(record.load(as: vs_kept_bar.self))
        case VS_EXEC: return .processExec
        case VS_PROCESS_INFO:
            return .processInfo(ProcessInfo(record, count: Int(header.size)))
        case VS_LOSS:
            let raw = record.load(as: vs_loss.self)
            return .loss(since: raw.since, lost: raw.lost)
        case VS_SNAP_BEGIN, VS_SNAP_END, VS_SNAP_WALK_BEGIN, VS_SNAP_WALK_END, VS_SNAP_CONTAINER, VS_SNAP_GROUP,
            VS_SNAP_DEVICE, VS_SNAP_ROOT, VS_SNAP_MAP:
            return snapshotKind(of: record, header, size)
        default: return nil
        }
    }

    @inline(__always)
    private func removal(_ record: UnsafeRawPointer) -> MappingRemoved {
        let raw = record.assumingMemoryBound(to: vs_remove.self)
        let cause: RemovalCause =
            raw.pointee.flags & VS_REMOVE_FAILED_MAP.rawValue != 0
            ? .failedMap
            : isDetaching(raw.pointee.h.tid, raw.pointee.iommu) ? .teardown : .request
        return MappingRemoved(
            iommu: IOMMUKey(raw.pointee.iommu), iova: raw.pointee.iova, size: raw.pointee.size, cause: cause)
    }

    private mutating func iommuKind(_ raw: vs_iommu, _ header: vs_header) -> Event.Kind? {
        let iommu = IOMMUKey(raw.iommu)
        switch vs_type(UInt32(header.type)) {
        case VS_IOMMU_OPEN: return .iommuOpen(iommu, type: raw.value, container: nil)
        case VS_IOMMU_ATTACH: return .iommuAttach(iommu, group: raw.value, result: raw.ret)
        default:
            // DETACH and RELEASE are each reported at the beginning and at the end.
            if raw.phase == VS_BEGIN.rawValue {
                detaching.append((header.tid, raw.iommu))
                return nil
            }
            if let index = detaching.lastIndex(where: { $0.tid == header.tid && $0.iommu == raw.iommu }) {
                detaching.remove(at: index)
            }
            return UInt32(header.type) == VS_IOMMU_RELEASE.rawValue ? .iommuRelease(iommu) : nil
        }
    }

    private func pciKind(_ raw: vs_pci, _ header: vs_header) -> Event.Kind? {
        let device = PCIAddress(packed: raw.pci)
        let origin = Origin(rawValue: UInt8(truncatingIfNeeded: raw.origin)) ?? .host
        switch vs_type(UInt32(header.type)) {
        case VS_MEMORY: return .memoryDecode(device, enabled: raw.value & pciCommandMemory != 0, by: origin)
        case VS_RESET:
            return .reset(device, phase: raw.value == VS_BEGIN.rawValue ? .begin : .end, wholeBus: raw.whole_bus != 0)
        case VS_POWER:
            return .power(
                device, state: PowerState(rawValue: UInt8(truncatingIfNeeded: raw.value)) ?? .unknown, by: origin)
        default: return .deviceRemove(device)
        }
    }

    private mutating func dmaBufKind(_ raw: vs_dma_buf) -> Event.Kind? {
        guard let action = DMABuf.Action(rawValue: UInt8(truncatingIfNeeded: raw.action)) else {
            unknownRecords += 1
            return nil
        }
        return .dmaBuf(
            DMABuf(
                action, key: raw.buffer, device: raw.pci == noPCI ? nil : PCIAddress(packed: raw.pci), inode: raw.inode,
                size: raw.bytes,
                address: raw.phys, ranges: raw.ranges, isRevoked: raw.revoked != 0))
    }

    private mutating func keptBarKind(_ raw: vs_kept_bar) -> Event.Kind? {
        guard raw.action == VS_KEPT.rawValue || raw.action == VS_LET_GO.rawValue else {
            unknownRecords += 1
            return nil
        }
        return .keptBar(
            KeptBar(
                device: PCIAddress(packed: raw.pci), address: raw.phys, size: raw.size,
                isKept: raw.action == VS_KEPT.rawValue))
    }

    /// Reads a record of a type that has grown. A shorter record is filled with zeros.
    @inline(__always)
    func padded<T>(_ record: UnsafeRawPointer, _ count: Int, _ zero: T) -> T {
        if count >= MemoryLayout<T>.size { return record.load(as: T.self) }
        var value = zero
        withUnsafeMutableBytes(of: &value) { $0.copyMemory(from: UnsafeRawBufferPointer(start: record, count: count)) }
        return value
    }

    private func isDetaching(_ tid: UInt32, _ iommu: UInt64) -> Bool {
        for entry in detaching where entry.tid == tid && entry.iommu == iommu { return true }
        return false
    }
}

/// PCI_COMMAND_MEMORY: the device answers memory accesses.
let pciCommandMemory: UInt32 = 2

extension RecordDecoder {
    /// The least size of a record of `type`, in bytes; nil for a type that this version does not
    /// know.
    public static func size(of type: UInt32) -> Int? {
        switch vs_type(type) {
        case VS_CONTAINER_OPEN, VS_CONTAINER_CLOSE: MemoryLayout<vs_container>.size
        case VS_IOMMU_OPEN, VS_IOMMU_RELEASE, VS_IOMMU_ATTACH, VS_IOMMU_DETACH: MemoryLayout<vs_iommu>.size
        case VS_GROUP_OPEN, VS_GROUP_CLOSE, VS_GROUP_ATTACH, VS_GROUP_DETACH: MemoryLayout<vs_group>.size
        case VS_DEVICE_OPEN, VS_DEVICE_CLOSE, VS_DEVICE_ENABLE, VS_DEVICE_DISABLE: MemoryLayout<vs_device>.size
        case VS_BAR_MMAP: MemoryLayout<vs_bar_mmap>.size
        case VS_MAP, VS_SNAP_MAP: MemoryLayout<vs_map>.offset(of: \.backing_kind)!  // the first version's size
        case VS_EXTENT: MemoryLayout<vs_extent>.size
        case VS_REMOVE: MemoryLayout<vs_remove>.size
        case VS_UNMAP: MemoryLayout<vs_unmap>.offset(of: \.requested)!
        case VS_MEMORY, VS_RESET, VS_POWER, VS_PCI_REMOVE: MemoryLayout<vs_pci>.size
        case VS_DRIVER, VS_DEVICE_INFO, VS_BAR_MOVE:
            // The first version's size.
            MemoryLayout<vs_driver>.offset(of: \.msix_bar)!
        case VS_EXIT: MemoryLayout<vs_exit>.size
        case VS_DMA_BUF: MemoryLayout<vs_dma_buf>.size
        case VS_KEPT_BAR: MemoryLayout<vs_kept_bar>.size
        case VS_EXEC: MemoryLayout<vs_exec>.size
        case VS_SNAP_BEGIN, VS_SNAP_END, VS_SNAP_WALK_BEGIN, VS_SNAP_WALK_END:
            MemoryLayout<vs_snap_mark>.offset(of: \.available)!  // the first version's size
        case VS_SNAP_ROOT: MemoryLayout<vs_snap_root>.size
        case VS_SNAP_CONTAINER: MemoryLayout<vs_snap_container>.size
        case VS_SNAP_GROUP: MemoryLayout<vs_group>.size
        case VS_SNAP_DEVICE: MemoryLayout<vs_snap_device>.offset(of: \.flags)!  // the first version's size
        case VS_MODULE: MemoryLayout<vs_module>.size
        case VS_FORK: MemoryLayout<vs_fork>.size
        case VS_PROCESS_INFO: MemoryLayout<vs_process_info>.offset(of: \.vm_uuid)!  // the first version's size
        case VS_LOSS: MemoryLayout<vs_loss>.size
        default: nil
        }
    }
}

extension Actor {
    /// Reads the header of a record.
    @inlinable @inline(__always)
    init(at record: UnsafeRawPointer) {
        let header = record.assumingMemoryBound(to: vs_header.self)
        self.init(
            process: ProcessKey(pid: header.pointee.tgid, start: header.pointee.start), tid: header.pointee.tid,
            uid: header.pointee.uid,
            cgroup: header.pointee.cgroup, comm: Comm(copying: record + MemoryLayout<vs_header>.offset(of: \.comm)!))
    }
}

extension UnmapRequest {
    /// Reads a complete `vs_unmap` record.
    @inline(__always)
    init(at record: UnsafeRawPointer) {
        let raw = record.assumingMemoryBound(to: vs_unmap.self).pointee
        self.init(
            iommu: IOMMUKey(raw.iommu), iova: raw.iova, size: raw.size, flags: raw.flags, result: raw.ret,
            requested: raw.requested == 0 ? nil : raw.requested)
    }
}

extension MapRequest {
    /// Reads a complete `vs_map` record.
    @inline(__always)
    init(at record: UnsafeRawPointer) { self.init(record.assumingMemoryBound(to: vs_map.self).pointee) }

    @inline(__always)
    init(_ raw: vs_map) {
        self.init(
            iommu: IOMMUKey(raw.iommu), iova: raw.iova, vaddr: raw.vaddr, size: raw.size, readable: raw.prot & 1 != 0,
            writable: raw.prot & 2 != 0,
            result: raw.ret, deviceBytes: raw.device_bytes, extentCount: raw.extents,
            moreExtents: UInt32(raw.flags) & VS_MAP_MORE_EXTENTS.rawValue != 0, began: raw.begin,
            vaddrOnly: UInt32(raw.flags) & VS_MAP_VADDR_ONLY.rawValue != 0)
        isMemoryGone = UInt32(raw.flags) & VS_MAP_MM_GONE.rawValue != 0
        isTargetUnknown = UInt32(raw.flags) & VS_MAP_TARGET_UNKNOWN.rawValue != 0
        if raw.backing_kind != 0, let kind = Backing.Kind(rawValue: UInt8(truncatingIfNeeded: raw.backing_kind)) {
            backing = Backing(
                kind: kind, device: raw.backing_device, inode: raw.backing_inode, offset: raw.backing_offset)
        }
    }
}

extension DeviceUse {
    init(_ raw: vs_device, first: Bool) {
        self.init(
            device: raw.pci == noPCI ? nil : PCIAddress(packed: raw.pci),
            group: raw.number == notKnown ? nil : raw.number,
            openCount: raw.open_count == notKnown ? nil : raw.open_count,
            memoryEnabled: first ? raw.command & pciCommandMemory != 0 : nil)
        usesIOMMUFD = raw.flags & VS_DEVICE_IOMMUFD.rawValue != 0
    }
}

extension DeviceInfo {
    /// Reads a `vs_driver` record; records of the first version end before the MSI-X table.
    init(_ record: UnsafeRawPointer, _ header: vs_header) {
        var raw = vs_driver()
        withUnsafeMutableBytes(of: &raw) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: record, count: min(Int(header.size), $0.count)))
        }
        self.init(
            device: PCIAddress(packed: raw.pci), group: raw.number == notKnown ? nil : raw.number, vendorID: raw.vendor,
            deviceID: raw.device,
            classCode: raw.class_code,
            driver: DriverName(
                copying: record + MemoryLayout<vs_driver>.offset(of: \.driver)!, count: Int(VS_DRIVER_BYTES)))
        let first = record + MemoryLayout<vs_driver>.offset(of: \.bars)!
        for index in 0..<Int(VS_BARS) {
            let bar = (first + index * MemoryLayout<vs_bar>.stride).load(as: vs_bar.self)
            bars[index] = Bar(address: bar.address, size: bar.size)
        }
        if raw.msix_bytes > 0, raw.msix_bar < 6 {
            msix = MSIXTable(bar: UInt8(raw.msix_bar), offset: raw.msix_offset, size: raw.msix_bytes)
        }
    }
}

let notKnown: UInt32 = 0xffff_ffff
let noPCI: UInt64 = .max
