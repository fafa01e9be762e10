import CRecords
import Events

/// Reads the present state of VFIO out of the kernel's own structs, whether or not anything was
/// traced before.
///
/// Iterators find what tasks hold; from there one object after the other is asked for its
/// neighbours, until nothing new turns up. The answers come through the ring, in order with the
/// events; `deliver` gets each of them.
final class Snapshotter {
    private let programs: SnapshotPrograms
    private let walk: MappingWalk

    /// What the answers named, by kernel address.
    private var containers = Found()
    private var groups = Found()
    private var devices = Found()
    private var iommus: [UInt64] = []
    /// Who holds what, told once the kernel's addresses have names.
    private var roots: [vs_snap_root] = []
    private var deviceNames: [UInt64: UInt64] = [:]
    private var groupNumbers: [UInt64: UInt64] = [:]

    private struct Found {
        var seen: Set<UInt64> = []
        var queue: [UInt64] = []

        mutating func add(_ object: UInt64) {
            if object != 0, seen.insert(object).inserted { queue.append(object) }
        }
    }

    /// - Parameters:
    ///   - loader: has loaded `SnapshotPrograms.names`; it must outlive this.
    ///   - consume: empties the ring; each record of it is to go to `intercept` while a snapshot is
    ///     taken.
    init(facts: KernelFacts, settings: Settings, loader: BPFLoader, consume: @escaping () -> Void) throws(TracerError) {
        programs = try SnapshotPrograms(facts: facts, loader: loader, consume: consume)
        walk = MappingWalk(programs: programs, settings: settings, consume: consume)
    }

    /// Takes one snapshot; every record of it, and what happened meanwhile, goes to `deliver` in
    /// order.
    func take(_ deliver: (UnsafeRawPointer, Int) -> Void, beforeEnd: () -> Void) {
        containers = Found()
        groups = Found()
        devices = Found()
        iommus = []
        roots = []
        deviceNames = [:]
        groupNumbers = [:]
        programs.ask(VS_ASK_BEGIN)
        programs.findRoots()
        repeat {
            while let device = devices.queue.popLast() { programs.ask(VS_ASK_DEVICE, device) }
            while let group = groups.queue.popLast() { programs.ask(VS_ASK_GROUP, group) }
            while let container = containers.queue.popLast() { programs.ask(VS_ASK_CONTAINER, container) }
        } while !devices.queue.isEmpty || !groups.queue.isEmpty || !containers.queue.isEmpty
        tellHolders(deliver)
        for iommu in iommus { walk.walk(iommu) }
        beforeEnd()
        programs.ask(VS_ASK_END)
    }

    /// Called with each record that the ring holds while a snapshot is being taken.
    func intercept(_ record: UnsafeRawPointer, _ count: Int, _ deliver: (UnsafeRawPointer, Int) -> Void) {
        let type = vs_type(UInt32(record.load(as: vs_header.self).type))
        if walk.take(record, type, deliver) { return }
        switch type {
        case VS_SNAP_ROOT:
            let root = record.load(as: vs_snap_root.self)
            switch vs_root_kind(root.kind) {
            case VS_ROOT_CONTAINER: containers.add(root.object)
            case VS_ROOT_GROUP: groups.add(root.object)
            default: devices.add(root.object)
            }
            if vs_root_kind(root.kind) != VS_ROOT_FOUND { roots.append(root) }
            return
        case VS_SNAP_DEVICE:
            let device = record.load(as: vs_snap_device.self)
            // A group lists its devices; one that a descriptor led to comes a second time.
            guard deviceNames.updateValue(device.pci, forKey: device.device) == nil else { return }
            groups.add(device.group)
        case VS_SNAP_GROUP:
            let group = record.load(as: vs_group.self)
            guard groupNumbers.updateValue(UInt64(group.number), forKey: group.group) == nil else { return }
            groups.add(group.group)
            containers.add(group.container)
        case VS_SNAP_CONTAINER:
            let container = record.load(as: vs_snap_container.self)
            if container.iommu != 0, !iommus.contains(container.iommu) { iommus.append(container.iommu) }
        default: break
        }
        deliver(record, count)
    }

    private func tellHolders(_ deliver: (UnsafeRawPointer, Int) -> Void) {
        for var root in roots {
            switch vs_root_kind(root.kind) {
            case VS_ROOT_CONTAINER: break
            case VS_ROOT_GROUP: root.object = groupNumbers[root.object] ?? 0xffff_ffff
            default: root.object = deviceNames[root.object] ?? .max
            }
            withUnsafeBytes(of: &root) { deliver($0.baseAddress!, $0.count) }
        }
    }
}
