import CRecords
import CShim

/// Walks the mappings of one IOMMU, and proves that it found them all.
///
/// The kernel's lock is not held, so a walk counts only if nothing changed meanwhile and it found
/// as many mappings as the kernel counts; else it is made again, `maxTries` times in all while
/// `patience` lasts. What the kernel counts is not told: its mappings are the limit at the time the
/// IOMMU was opened less those still available.
final class MappingWalk {
    static let maxTries = 5
    /// Nanoseconds after which no further try begins: a host so busy will not be quiet for the next
    /// one.
    static let patience: UInt64 = 1_000_000_000
    /// Mappings a step, at most. One step is under a millisecond, in which its CPU runs nothing
    /// else.
    static let stepRoom = 512

    private let programs: SnapshotPrograms
    private let linearMap: UInt64
    private let windows: [(first: UInt64, last: UInt64)]
    private let room: Int
    private let consume: () -> Void

    private var iommu: UInt64 = 0
    private var table: IOMMUTable?
    private var received: UInt64 = 0
    private var changes: UInt64 = 0

    init(programs: SnapshotPrograms, settings: Settings, consume: @escaping () -> Void) {
        self.programs = programs
        self.consume = consume
        linearMap = settings.linearMap
        windows = settings.windows
        // A step's answers must not fill the ring: events need room too.
        room = max(16, min(Self.stepRoom, Int(settings.ringBytes) / 8 / (MemoryLayout<vs_map>.size + 8)))
    }

    /// Has every mapping of `iommu` told, between a beginning and an end; each further try has a
    /// beginning of its own.
    func walk(_ iommu: UInt64) {
        self.iommu = iommu
        let limit = KernelFacts.mappingLimit.map { UInt64($0) }
        let deadline = UInt64(vs_boot_time()) + Self.patience
        var agreed: UInt64?
        for attempt in 1...Self.maxTries {
            programs.ask(VS_ASK_WALK_BEGIN, iommu)
            received = 0
            changes = 0
            if linearMap != 0 {
                let (root, levels) = programs.tableRoot(of: iommu)
                table = IOMMUTable(root: root, levels: levels, linearMap: linearMap)
            }
            let end = walkOnce()
            var isConsistent = false
            if let end, changes == 0, end.found == received {
                let total = end.found + end.available
                // The limit may have been changed since the IOMMU was opened; then two undisturbed
                // walks must agree.
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

    /// How many mappings were found and how many the kernel would still take; nil when the tree
    /// could not be followed or changed.
    private func walkOnce() -> (found: UInt64, available: UInt64)? {
        var from: UInt64 = 0
        var found: UInt64 = 0
        var available: UInt64?
        while true {
            guard let at = programs.walkStep(iommu, from: from, room: room) else { return nil }
            consume()
            found += at.found
            // Every later count must be the first one: the mappings stayed as many.
            if available == nil { available = at.availableBefore }
            if at.availableBefore != available || at.availableAfter != available { changes += 1 }
            if at.done == 1 { return (found, at.availableAfter) }
            // A step without progress would be followed by another.
            guard at.done == 0, at.next > from else { return nil }
            from = at.next
        }
    }

    /// Called with each record that comes while a walk goes on; hands on those of its mappings,
    /// where they lead first.
    ///
    /// - Returns: whether the record was taken.
    func take(_ record: UnsafeRawPointer, _ type: vs_type, _ deliver: (UnsafeRawPointer, Int) -> Void) -> Bool {
        guard iommu != 0 else { return false }
        switch type {
        case VS_SNAP_MAP:
            tell(record.load(as: vs_map.self), deliver)
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

    private func tell(_ found: vs_map, _ deliver: (UnsafeRawPointer, Int) -> Void) {
        received += 1
        // Linked, but no page is pinned yet: it is not in force, and its event is still to come.
        guard found.size > 0 else { return }
        var map = found
        // No thread acts here: an extent of a map that its thread is making right now must not get
        // mixed in.
        map.h.tid = 0
        if UInt32(map.flags) & VS_MAP_ONLY_RAM.rawValue == 0, table != nil {
            let runs = table!.runs(from: map.iova, last: map.iova &+ (map.size &- 1), within: windows) { [programs] in
                programs.readTable(at: $0, into: &$1)
            }
            for run in runs {
                map.extents += 1
                map.device_bytes += run.size
                var extent = vs_extent(h: map.h, dma: map.dma, iova: run.iova, phys: run.address, bytes: run.size)
                extent.h.type = UInt16(VS_EXTENT.rawValue)
                extent.h.size = UInt16(MemoryLayout<vs_extent>.size)
                withUnsafeBytes(of: &extent) { deliver($0.baseAddress!, $0.count) }
            }
        }
        if map.device_bytes == 0, UInt32(map.flags) & VS_MAP_HAS_RESERVED.rawValue != 0 {
            // Some of it is not RAM, and no table tells which.
            map.device_bytes = map.size
            map.flags |= UInt16(VS_MAP_MORE_EXTENTS.rawValue)
        }
        withUnsafeBytes(of: &map) { deliver($0.baseAddress!, $0.count) }
    }
}
