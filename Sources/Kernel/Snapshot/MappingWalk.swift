// SPDX-License-Identifier: Apache-2.0
import CRecords
import CShim

/// Walks the mappings of one IOMMU, and proves that it found them all.
///
/// The kernel's lock is not held, so a walk counts only if no mapping was made or removed meanwhile
/// and it found as many mappings as the kernel counts. Otherwise it is repeated, up to `maxTries`
/// walks in all while `patience` lasts. The kernel exposes its count only indirectly: it is the
/// limit that applied when the IOMMU was opened, minus the number of mappings still available.
///
/// `walk` asks for one step after another and drains the ring after each. What it drains comes back
/// to this object on the same thread, through `Snapshotter.intercept` to `consume` (see the drawing
/// at `Snapshotter`): `consume` counts the mappings received and the changes, which `walk` compares
/// with the kernel's count afterwards.
final class MappingWalk {
    static let maxTries = 5
    /// Nanoseconds after which no further walk begins: a host that changes mappings so often will
    /// not be quiet during the next walk either.
    static let patience: UInt64 = 1_000_000_000
    /// The most mappings in a step. A step takes less than a millisecond, during which its CPU runs
    /// nothing else.
    static let stepRoom = 512

    private let programs: SnapshotPrograms
    private let linearMap: UInt64
    private let windows: [(first: UInt64, last: UInt64)]
    private let room: Int
    private let consume: () -> Void

    /// The IOMMU being walked; 0 when none is.
    private var iommu: UInt64 = 0
    private var table: IOMMUTable?
    /// Whether no device reaches the mappings of `iommu`, because it has no table at all.
    private var hasNoDomain = false
    /// Mappings received through the ring in the current walk.
    private var received: UInt64 = 0
    /// Mappings made or removed during the current walk.
    private var changes: UInt64 = 0

    init(programs: SnapshotPrograms, settings: Settings, consume: @escaping () -> Void) {
        self.programs = programs
        self.consume = consume
        linearMap = settings.linearMap
        windows = settings.windows
        // The answers of a step may fill an eighth of the ring at most: events need room too.
        room = max(16, min(Self.stepRoom, Int(settings.ringBytes) / 8 / (MemoryLayout<vs_map>.size + 8)))
    }

    /// Emits every mapping of `iommu` between VS_SNAP_WALK_BEGIN and _END. A repeated walk has a
    /// BEGIN of its own, which voids the mappings emitted before it.
    func walk(_ iommu: UInt64) {
        self.iommu = iommu
        let limit = KernelFacts.mappingLimit.map { UInt64($0) }
        let deadline = UInt64(vs_boot_time()) + Self.patience
        var agreed: UInt64?
        for attempt in 1...Self.maxTries {
            programs.ask(VS_ASK_WALK_BEGIN, iommu)
            received = 0
            changes = 0
            let (root, levels) = programs.tableRoot(of: iommu)
            hasNoDomain = levels == VS_NO_DOMAIN
            table = linearMap == 0 ? nil : IOMMUTable(root: root, levels: levels, linearMap: linearMap)
            let end = walkOnce()
            var isConsistent = false
            if let end, changes == 0, end.found == received {
                let total = end.found + end.available
                // The limit may have been changed since the IOMMU was opened; in that case two
                // undisturbed walks must agree.
                isConsistent = total == limit || total == agreed
                agreed = total
            }
            guard isConsistent || attempt == Self.maxTries || UInt64(vs_boot_time()) > deadline else { continue }
            programs.ask(VS_ASK_WALK_END, iommu, received, flags: isConsistent ? VS_WALK_CONSISTENT.rawValue : 0)
            break
        }
        self.iommu = 0
        table = nil
    }

    /// Walks the tree once; returns how many mappings were found, and how many more the kernel
    /// would allow. nil when the tree could not be followed, or changed.
    private func walkOnce() -> (found: UInt64, available: UInt64)? {
        var from: UInt64 = 0
        var found: UInt64 = 0
        var available: UInt64?
        while true {
            guard let at = programs.walkStep(iommu, from: from, room: room) else { return nil }
            consume()
            found += at.found
            // The count must stay what it was at first: no mapping was made or removed.
            if available == nil { available = at.availableBefore }
            if at.availableBefore != available || at.availableAfter != available { changes += 1 }
            if at.done == 1 { return (found, at.availableAfter) }
            // Without progress, this loop would not end.
            guard at.done == 0, at.next > from else { return nil }
            from = at.next
        }
    }

    /// Called with each record that is drained during a snapshot. Emits the mappings that the walk
    /// has found, and counts the events that disturb it.
    ///
    /// - Returns: whether the record was consumed here, so that the caller must not hand it on.
    func consume(_ record: UnsafeRawPointer, _ type: vs_type, _ deliver: (UnsafeRawPointer, Int) -> Void) -> Bool {
        guard iommu != 0 else { return false }
        switch type {
        case VS_SNAP_MAP:
            emit(record.load(as: vs_map.self), deliver)
            return true
        case VS_MAP:
            let map = record.load(as: vs_map.self)
            if map.iommu == iommu, map.ret == 0 { changes += 1 }
        case VS_REMOVE: if record.load(as: vs_remove.self).iommu == iommu { changes += 1 }
        case VS_IOMMU_RELEASE: if record.load(as: vs_iommu.self).iommu == iommu { changes += 1 }
        default: break
        }
        return false
    }

    /// Emits a mapping, preceded by an extent for each run of device memory that it leads to.
    private func emit(_ found: vs_map, _ deliver: (UnsafeRawPointer, Int) -> Void) {
        received += 1
        // The mapping is in the tree, but no page is pinned yet: its own event is still to come.
        guard found.size > 0 else { return }
        var map = found
        // No thread acts here. With its creator's tid, these extents could be mixed with those of a
        // mapping that the creator is making right now.
        map.h.tid = 0
        if UInt32(map.flags) & VS_MAP_ONLY_RAM.rawValue == 0 {
            let runs = targets(of: map)
            if !runs.areAll { map.flags |= UInt16(VS_MAP_TARGET_UNKNOWN.rawValue) }
            for run in runs.found {
                map.extents += 1
                map.device_bytes += run.size
                var extent = vs_extent(h: map.h, dma: map.dma, iova: run.iova, phys: run.address, bytes: run.size)
                extent.h.type = UInt16(VS_EXTENT.rawValue)
                extent.h.size = UInt16(MemoryLayout<vs_extent>.size)
                withUnsafeBytes(of: &extent) { deliver($0.baseAddress!, $0.count) }
            }
        }
        if map.device_bytes == 0, UInt32(map.flags) & VS_MAP_HAS_RESERVED.rawValue != 0 {
            // Some of its pages are not RAM, but there is no table that shows which.
            map.device_bytes = map.size
            map.flags |= UInt16(VS_MAP_MORE_EXTENTS.rawValue)
            map.flags &= ~UInt16(VS_MAP_TARGET_UNKNOWN.rawValue)
        }
        withUnsafeBytes(of: &map) { deliver($0.baseAddress!, $0.count) }
    }

    /// The runs of device memory to which a mapping leads, and whether these are all. They cannot
    /// be read if the IOMMU is no VT-d, or the kernel hides where physical memory is mapped or
    /// where the PCI windows are.
    private func targets(of map: vs_map) -> (found: [IOMMUTable.Run], areAll: Bool) {
        if hasNoDomain { return ([], true) }
        guard table != nil, !windows.isEmpty else { return ([], false) }
        return table!.runs(from: map.iova, last: map.iova &+ (map.size &- 1), within: windows) { [programs] in
            programs.readTable(at: $0, into: &$1)
        }
    }
}
