// SPDX-License-Identifier: Apache-2.0
import CRecords

/// Decoding of a snapshot's records.
extension RecordDecoder {
    /// Decodes the records of a snapshot. A root's object is the value that the tool put there: a
    /// container's address, a group's number, a PCI address.
    func snapshotKind(of record: UnsafeRawPointer, _ header: vs_header, _ size: Int) -> Event.Kind? {
        switch vs_type(UInt32(header.type)) {
        case VS_SNAP_BEGIN: return .snapshotBegin
        case VS_SNAP_END: return .snapshotEnd
        case VS_SNAP_WALK_BEGIN: return .walkBegin(IOMMUKey(markField(\.object, of: record)))
        case VS_SNAP_WALK_END:
            // Marks of the first version end before their flags. Their walks are taken to be
            // consistent.
            let saysWhether = Int(header.size) >= MemoryLayout<vs_snap_mark>.size
            return .walkEnd(
                IOMMUKey(markField(\.object, of: record)), mappings: markField(\.value, of: record),
                consistent: !saysWhether || markField(\.flags, of: record) & VS_WALK_CONSISTENT.rawValue != 0)
        case VS_SNAP_CONTAINER:
            let raw = record.load(as: vs_snap_container.self)
            return .snapshotContainer(
                ContainerKey(raw.container), iommu: raw.iommu == 0 ? nil : IOMMUKey(raw.iommu), type: raw.type)
        case VS_SNAP_GROUP:
            let raw = record.load(as: vs_group.self)
            return .snapshotGroup(raw.number, raw.container == 0 ? nil : ContainerKey(raw.container))
        case VS_SNAP_DEVICE: return .snapshotDevice(SnapshotDevice(padded(record, size, vs_snap_device())))
        case VS_SNAP_ROOT:
            let raw = record.load(as: vs_snap_root.self)
            let held: Held =
                switch vs_root_kind(raw.kind) {
                case VS_ROOT_CONTAINER: .container(ContainerKey(raw.object))
                case VS_ROOT_GROUP: .group(UInt32(truncatingIfNeeded: raw.object))
                default: .device(PCIAddress(packed: raw.object))
                }
            return .snapshotHolder(held, byMapping: raw.by_mapping != 0)
        default:
            var map = MapRequest(padded(record, size, vs_map()))
            map.provenance = .snapshot
            return .map(map)
        }
    }

    /// Reads one field of a mark that may be shorter than the present version's.
    private func markField<T>(_ field: KeyPath<vs_snap_mark, T>, of record: UnsafeRawPointer) -> T {
        record.load(fromByteOffset: MemoryLayout<vs_snap_mark>.offset(of: field)!, as: T.self)
    }
}

extension SnapshotDevice {
    init(_ raw: vs_snap_device) {
        self.init(
            device: raw.pci == noPCI ? nil : PCIAddress(packed: raw.pci),
            group: raw.number == notKnown ? nil : raw.number, openCount: raw.open_count,
            memoryEnabled: raw.open_count > 0 ? raw.command & pciCommandMemory != 0 : nil,
            power: PowerState(rawValue: UInt8(truncatingIfNeeded: raw.power)) ?? .unknown)
        usesIOMMUFD = raw.flags & VS_DEVICE_IOMMUFD.rawValue != 0
    }
}
