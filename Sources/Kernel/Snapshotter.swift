import CLibbpf
import CRecords
import CShim
import Events
import Glibc

/// Reads the present state of VFIO out of the kernel's own structs, whether or not anything was traced before.
///
/// Iterators find what tasks hold; from there one object after the other is asked for its neighbours, until nothing new turns up.
/// The answers come through the ring, in order with the events; `deliver` gets each of them.
final class Snapshotter {
    private let step: Int32
    private let walk: Int32
    private let reader: Int32
    private let table: Int32
    private let cursor: Int32
    private let files: OpaquePointer
    private let mappings: OpaquePointer?
    private let linearMap: UInt64
    private let windows: [(first: UInt64, last: UInt64)]
    /// Empties the ring.
    private let consume: () -> Void

    /// What the answers named, by kernel address.
    private var containers = Found()
    private var groups = Found()
    private var devices = Found()
    private var iommus: [UInt64] = []
    /// Records that came since the last flush, in the ring's order.
    private var pending: [[UInt8]] = []
    /// Who holds what, told once the kernel's addresses have names.
    private var roots: [vs_snap_root] = []
    private var deviceNames: [UInt64: UInt64] = [:]
    private var groupNumbers: [UInt64: UInt64] = [:]
    private var extents: [UInt64: [IOMMUTable.Run]] = [:]
    private var tables: [UInt64: IOMMUTable] = [:]

    private struct Found {
        var seen: Set<UInt64> = []
        var queue: [UInt64] = []

        mutating func add(_ object: UInt64) {
            if object != 0, seen.insert(object).inserted { queue.append(object) }
        }
    }

    static let allPrograms: Set<String> = Set(["btf", "offsets"].flatMap { ["step_\($0)", "walk_\($0)"] } + ["read_table", "snapshot_files", "snapshot_mappings"])

    /// Those that this kernel takes.
    static func programs(_ facts: KernelFacts) -> Set<String> {
        let suffix = facts.canUseFexit ? "btf" : "offsets"
        return Set(["step_\(suffix)", "walk_\(suffix)", "read_table", "snapshot_files"] + (facts.hasTaskVMAIterator ? ["snapshot_mappings"] : []))
    }

    /// - Parameter loader: has loaded `programs`; it must outlive this.
    init(facts: KernelFacts, settings: Settings, loader: BPFLoader, consume: @escaping () -> Void) throws(TracerError) {
        let suffix = facts.canUseFexit ? "btf" : "offsets"
        self.consume = consume
        linearMap = settings.linearMap
        windows = settings.windows
        guard let step = loader.programDescriptor("step_\(suffix)"), let walk = loader.programDescriptor("walk_\(suffix)"),
              let reader = loader.programDescriptor("read_table"), let table = loader.mapDescriptor("table_page"), let cursor = loader.mapDescriptor("cursor"),
              let files = loader.program("snapshot_files")
        else { throw .loadFailed(release: facts.release, log: "the snapshot programs are not complete") }
        self.step = step
        self.walk = walk
        self.reader = reader
        self.table = table
        self.cursor = cursor
        self.files = files
        mappings = facts.hasTaskVMAIterator ? loader.program("snapshot_mappings") : nil
    }

    /// Takes one snapshot; every record of it, and what happened meanwhile, goes to `deliver` in order.
    func take(_ deliver: (UnsafeRawPointer, Int) -> Void, beforeEnd: () -> Void) {
        containers = Found()
        groups = Found()
        devices = Found()
        iommus = []
        roots = []
        deviceNames = [:]
        groupNumbers = [:]
        tables = [:]
        ask(VS_ASK_BEGIN)
        iterate(files)
        if let mappings { iterate(mappings) }
        flush(deliver)
        repeat {
            while let device = devices.queue.popLast() { ask(VS_ASK_DEVICE, device) }
            while let group = groups.queue.popLast() { ask(VS_ASK_GROUP, group) }
            while let container = containers.queue.popLast() { ask(VS_ASK_CONTAINER, container) }
        } while !devices.queue.isEmpty || !groups.queue.isEmpty || !containers.queue.isEmpty
        flush(deliver)
        tellHolders(deliver)
        for iommu in iommus { walkMappings(of: iommu, deliver) }
        flush(deliver)
        beforeEnd()
        ask(VS_ASK_END)
        flush(deliver)
    }

    /// Called with each record that the ring holds while a snapshot is being taken.
    func intercept(_ record: UnsafeRawPointer, _ count: Int) {
        let header = record.load(as: vs_header.self)
        switch vs_type(UInt32(header.type)) {
        case VS_SNAP_ROOT:
            let root = record.load(as: vs_snap_root.self)
            switch vs_root_kind(root.kind) {
            case VS_ROOT_CONTAINER: containers.add(root.object)
            case VS_ROOT_GROUP: groups.add(root.object)
            default: devices.add(root.object)
            }
            roots.append(root)
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
        pending.append(Array(UnsafeRawBufferPointer(start: record, count: count)))
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

    private func walkMappings(of iommu: UInt64, _ deliver: (UnsafeRawPointer, Int) -> Void) {
        ask(VS_ASK_WALK_BEGIN, iommu)
        var from: UInt64 = 0
        var count: UInt64 = 0
        while true {
            guard run(walk, 0, iommu, from) == 0 else { break }
            // At once: asking for the IOMMU's table uses the same cursor.
            let at = position()
            consume()
            count += UInt64(pending.count { Self.type(of: $0) == VS_SNAP_MAP })
            findTargets(of: iommu)
            flush(deliver)
            if at.done != 0 { break }
            from = at.next
        }
        ask(VS_ASK_WALK_END, iommu, count)
        flush(deliver)
    }

    /// Reads off the IOMMU's own table where the mappings that were just walked lead.
    private func findTargets(of iommu: UInt64) {
        guard linearMap != 0 else { return }
        if tables[iommu] == nil {
            ask(VS_ASK_TABLE, iommu)
            let at = position()
            tables[iommu] = IOMMUTable(root: at.next, levels: Int(at.done), linearMap: linearMap)
        }
        for bytes in pending where Self.type(of: bytes) == VS_SNAP_MAP {
            let map = bytes.withUnsafeBytes { $0.load(as: vs_map.self) }
            if UInt32(map.flags) & VS_MAP_ONLY_RAM.rawValue != 0 || map.size == 0 { continue }
            let runs = tables[iommu]!.runs(from: map.iova, last: map.iova &+ (map.size &- 1), within: windows) { [unowned self] in readTable(at: $0, into: &$1) }
            if !runs.isEmpty { extents[map.dma] = runs }
        }
    }

    private func readTable(at address: UInt64, into page: inout [UInt64]) -> Bool {
        guard run(reader, address) == 0 else { return false }
        var key: UInt32 = 0
        return bpf_map_lookup_elem(table, &key, &page) == 0
    }

    /// Hands on what is pending: extents first, in the name of their mapping.
    private func flush(_ deliver: (UnsafeRawPointer, Int) -> Void) {
        consume()
        for var bytes in pending {
            if Self.type(of: bytes) == VS_SNAP_MAP {
                var map = bytes.withUnsafeBytes { $0.load(as: vs_map.self) }
                // No thread acts here: an extent of a map that its thread is making right now must not get mixed in.
                map.h.tid = 0
                for run in extents.removeValue(forKey: map.dma) ?? [] {
                    map.extents += 1
                    map.device_bytes += run.size
                    var extent = vs_extent(h: map.h, dma: map.dma, iova: run.iova, phys: run.address, bytes: run.size)
                    extent.h.type = UInt16(VS_EXTENT.rawValue)
                    extent.h.size = UInt16(MemoryLayout<vs_extent>.size)
                    withUnsafeBytes(of: &extent) { deliver($0.baseAddress!, $0.count) }
                }
                if map.device_bytes == 0, UInt32(map.flags) & VS_MAP_HAS_RESERVED.rawValue != 0 {
                    // Some of it is not RAM, and no table tells which.
                    map.device_bytes = map.size
                    map.flags |= UInt16(VS_MAP_MORE_EXTENTS.rawValue)
                }
                bytes = withUnsafeBytes(of: &map) { Array($0) }
            }
            bytes.withUnsafeBytes { deliver($0.baseAddress!, $0.count) }
        }
        pending.removeAll(keepingCapacity: true)
        extents.removeAll(keepingCapacity: true)
    }

    private static func type(of bytes: [UInt8]) -> vs_type { vs_type(UInt32(bytes[0]) | UInt32(bytes[1]) << 8) }

    private func ask(_ question: vs_ask, _ object: UInt64 = 0, _ value: UInt64 = 0) {
        run(step, UInt64(question.rawValue), object, value)
        consume()
    }

    /// Runs a raw-tracepoint program once with these arguments; gives what it returned, or -1 when it did not run.
    @discardableResult
    private func run(_ program: Int32, _ arguments: UInt64...) -> Int32 {
        var context: [UInt64] = arguments + [UInt64](repeating: 0, count: 4 - arguments.count)
        var options = bpf_test_run_opts()
        options.sz = MemoryLayout<bpf_test_run_opts>.size
        return context.withUnsafeMutableBytes { bytes in
            options.ctx_in = UnsafeRawPointer(bytes.baseAddress!)
            options.ctx_size_in = UInt32(bytes.count)
            return bpf_prog_test_run_opts(program, &options) == 0 ? Int32(bitPattern: options.retval) : -1
        }
    }

    private func position() -> (next: UInt64, done: UInt64) {
        var key: UInt32 = 0
        var value: [UInt64] = [0, 1]
        bpf_map_lookup_elem(cursor, &key, &value)
        return (value[0], value[1])
    }

    /// Reads an iterator to its end: its program writes to the ring, not to the descriptor.
    private func iterate(_ program: OpaquePointer) {
        guard let link = bpf_program__attach_iter(program, nil) else { return }
        defer { bpf_link__destroy(link) }
        let descriptor = bpf_iter_create(bpf_link__fd(link))
        guard descriptor >= 0 else { return }
        defer { Glibc.close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EAGAIN { continue }
            guard count > 0 else { break }
        }
        consume()
    }
}
