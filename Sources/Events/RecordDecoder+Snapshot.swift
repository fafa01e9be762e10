import CRecords

extension RecordDecoder {
    /// The records of a snapshot. A root's object is what the tool put there: a container's address, a group's number, a PCI address.
    func snapshotKind(of record: UnsafeRawPointer, _ header: vs_header) -> Event.Kind? {
        switch vs_type(UInt32(header.type)) {
        case VS_SNAP_BEGIN: return .snapshotBegin
        case VS_SNAP_END: return .snapshotEnd
        case VS_SNAP_WALK_BEGIN: return .walkBegin(IOMMUKey(record.load(as: vs_snap_mark.self).object))
        case VS_SNAP_WALK_END:
            let raw = record.load(as: vs_snap_mark.self)
            return .walkEnd(IOMMUKey(raw.object), mappings: raw.value, consistent: true)
        case VS_SNAP_CONTAINER:
            let raw = record.load(as: vs_snap_container.self)
            return .snapshotContainer(ContainerKey(raw.container), iommu: raw.iommu == 0 ? nil : IOMMUKey(raw.iommu), type: raw.type)
        case VS_SNAP_GROUP:
            let raw = record.load(as: vs_group.self)
            return .snapshotGroup(raw.number, raw.container == 0 ? nil : ContainerKey(raw.container))
        case VS_SNAP_DEVICE: return .snapshotDevice(SnapshotDevice(record.load(as: vs_snap_device.self)))
        case VS_SNAP_ROOT:
            let raw = record.load(as: vs_snap_root.self)
            let held: Held = switch vs_root_kind(raw.kind) {
            case VS_ROOT_CONTAINER: .container(ContainerKey(raw.object))
            case VS_ROOT_GROUP: .group(UInt32(truncatingIfNeeded: raw.object))
            default: .device(PCIAddress(packed: raw.object))
            }
            return .snapshotHolder(held, byMapping: raw.by_mapping != 0)
        default:
            var map = Map(record.load(as: vs_map.self))
            map.provenance = .snapshot
            return .map(map)
        }
    }
}

extension SnapshotDevice {
    init(_ raw: vs_snap_device) {
        self.init(device: raw.pci == noPCI ? nil : PCIAddress(packed: raw.pci), group: raw.number == notKnown ? nil : raw.number, openCount: raw.open_count,
                  memoryEnabled: raw.open_count > 0 ? raw.command & pciCommandMemory != 0 : nil,
                  power: PowerState(rawValue: UInt8(truncatingIfNeeded: raw.power)) ?? .unknown)
    }
}
