// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CRecords
import Glibc

/// Runs the BPF programs of a snapshot. Their answers come through the ring, which is drained after
/// each run, or in a map (`cursor`, `table_page`).
final class SnapshotPrograms {
    /// The position of a walk after a step: the first fields of the BPF side's `struct
    /// snapshot_cursor`.
    struct Position {
        /// The IOVA at which the next step begins.
        var next: UInt64 = 0
        /// 1 at the end of the tree, 2 when it could not be followed.
        var done: UInt64 = 0
        /// Mappings that this step emitted.
        var found: UInt64 = 0
        /// How many more mappings the kernel would allow, before and after the step.
        var availableBefore: UInt64 = 0
        var availableAfter: UInt64 = 0
    }

    private let step: Int32
    private let walk: Int32
    private let reader: Int32
    private let table: Int32
    private let cursor: Int32
    private let files: OpaquePointer
    /// Finds mappings of BARs: all of them in one run, or before 5.12 the one at `wantedArea`.
    private let mappings: OpaquePointer?
    private let wantedArea: Int32?
    private var cursorValue: [UInt64]
    /// Drains the ring.
    private let consume: () -> Void

    static let all: Set<String> = Set(
        ["btf", "offsets"].flatMap { ["step_\($0)", "walk_\($0)"] }
            + ["read_table", "snapshot_files", "snapshot_mappings", "snapshot_area"])

    /// The programs that this kernel can load.
    static func names(_ facts: KernelFacts) -> Set<String> {
        let suffix = facts.canUseFexit ? "btf" : "offsets"
        return Set([
            "step_\(suffix)", "walk_\(suffix)", "read_table", "snapshot_files",
            facts.hasTaskVMAIterator ? "snapshot_mappings" : "snapshot_area",
        ])
    }

    /// - Parameter loader: has loaded `names`; it must outlive this object.
    init(facts: KernelFacts, loader: BPFLoader, consume: @escaping () -> Void) throws(TracerError) {
        let suffix = facts.canUseFexit ? "btf" : "offsets"
        guard let step = loader.programDescriptor("step_\(suffix)"),
            let walk = loader.programDescriptor("walk_\(suffix)"),
            let reader = loader.programDescriptor("read_table"), let table = loader.mapDescriptor("table_page"),
            let cursor = loader.mapDescriptor("cursor"),
            let cursorBytes = loader.valueSize("cursor"), let files = loader.program("snapshot_files")
        else { throw .loadFailed(release: facts.release, log: "the object lacks programs or maps of the snapshot") }
        self.step = step
        self.walk = walk
        self.reader = reader
        self.table = table
        self.cursor = cursor
        self.files = files
        mappings = loader.program(facts.hasTaskVMAIterator ? "snapshot_mappings" : "snapshot_area")
        wantedArea = facts.hasTaskVMAIterator ? nil : loader.mapDescriptor("wanted_area")
        cursorValue = [UInt64](repeating: 0, count: (cursorBytes + 7) / 8)
        self.consume = consume
    }

    /// Asks one question. The answers have been drained from the ring when this returns.
    func ask(_ question: vs_ask, _ object: UInt64 = 0, _ value: UInt64 = 0, flags: UInt32 = 0) {
        run(step, (UInt64(question.rawValue), object, value, UInt64(flags)))
        consume()
    }

    /// Emits a root for every file of VFIO that a task holds by a descriptor or a mapping of a BAR,
    /// and for every device bound to one of VFIO's drivers.
    func findRoots() {
        RootScan.withVFIODevicesOpen { iterate(files) }
        guard let mappings else { return }
        guard let wantedArea else { return iterate(mappings) }
        RootScan.forEachDeviceMapping { process, address in
            var key: UInt32 = 0
            var area: (address: UInt64, tgid: UInt64) = (address, process)
            if bpf_map_update_elem(wantedArea, &key, &area, 0) == 0 { iterate(mappings) }
        }
    }

    /// Emits up to `room` mappings of `iommu` that begin at or above `from`; nil when the program
    /// did not run. Does not drain the ring.
    func walkStep(_ iommu: UInt64, from: UInt64, room: Int) -> Position? {
        guard run(walk, (0, iommu, from, UInt64(room))) == 0 else { return nil }
        return position()
    }

    /// The kernel address of the top page table of `iommu`, and the number of levels: 0 when it
    /// cannot be read, VS_NO_DOMAIN when `iommu` has no table.
    func tableRoot(of iommu: UInt64) -> (root: UInt64, levels: Int) {
        guard run(step, (UInt64(VS_ASK_TABLE.rawValue), iommu, 0, 0)) == 0, let answer = position() else {
            return (0, 0)
        }
        return (answer.next, Int(truncatingIfNeeded: answer.done))
    }

    /// Copies the 512 entries at a kernel address; false when they cannot be read. Does not touch
    /// the ring, so it may be called while the ring is being drained.
    func readTable(at address: UInt64, into page: inout [UInt64]) -> Bool {
        guard run(reader, (address, 0, 0, 0)) == 0 else { return false }
        var key: UInt32 = 0
        return bpf_map_lookup_elem(table, &key, &page) == 0
    }

    private func position() -> Position? {
        var key: UInt32 = 0
        guard bpf_map_lookup_elem(cursor, &key, &cursorValue) == 0 else { return nil }
        return Position(
            next: cursorValue[0], done: cursorValue[1], found: cursorValue[2], availableBefore: cursorValue[3],
            availableAfter: cursorValue[4])
    }

    /// Runs a raw-tracepoint program once with these arguments; returns its result, or -1 when it
    /// did not run.
    @discardableResult
    private func run(_ program: Int32, _ arguments: (UInt64, UInt64, UInt64, UInt64)) -> Int32 {
        withUnsafeBytes(of: arguments) { bytes in
            var options = bpf_test_run_opts()
            options.sz = MemoryLayout<bpf_test_run_opts>.size
            options.ctx_in = bytes.baseAddress
            options.ctx_size_in = UInt32(bytes.count)
            return bpf_prog_test_run_opts(program, &options) == 0 ? Int32(bitPattern: options.retval) : -1
        }
    }

    private func iterate(_ program: OpaquePointer) {
        BPFIterator.run(program)
        consume()
    }
}
