// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CRecords
import Glibc

/// Counts records that should have been made and were lost, so that for every record type attempted
/// = delivered + dropped.
///
/// It has three sources: the counters of the BPF programs; `bpf_prog_info.recursion_misses` (5.12),
/// how often the kernel skipped a program because it was already running on that CPU; and, with
/// kretprobes, saved arguments that no return collected. A program that did not run counts as one
/// lost record, although it might have made none.
final class LossAccount {
    private var counters: Int32 = -1
    private var saved: Int32?
    private var programs: [(name: String, descriptor: Int32, misses: UInt64)] = []
    private var byType: [vs_counter] = []
    private var abandoned: [UInt32: UInt64] = [:]
    private var perCPU: [vs_counters] = []

    /// - Parameters:
    ///   - counters: descriptor of the map with the programs' own counters.
    ///   - saved: descriptor of the map in which kprobes save arguments; nil without kretprobes.
    func begin(counters: Int32, saved: Int32?) {
        self.counters = counters
        self.saved = saved
        perCPU = [vs_counters](repeating: vs_counters(), count: max(1, Int(libbpf_num_possible_cpus())))
        byType = [vs_counter](repeating: vs_counter(), count: Int(VS_COUNTERS))
    }

    /// Adds a program that is attached from now on.
    func watch(_ name: String, _ descriptor: Int32) {
        if !programs.contains(where: { $0.descriptor == descriptor }) { programs.append((name, descriptor, 0)) }
    }

    /// Reads and adds up all sources: one system call, and one for each program.
    func read() -> (attempted: UInt64, dropped: UInt64) {
        var sum = readCounters()
        readMisses()
        let missed = programs.reduce(0) { $0 + $1.misses } + abandoned.values.reduce(0, +)
        sum.attempted += missed
        sum.dropped += missed
        return sum
    }

    /// How many records of a type have entered the ring, as of the last `read`.
    func submitted(_ type: vs_type) -> UInt64 {
        byType.isEmpty ? 0 : byType[Int(type.rawValue)].attempted - byType[Int(type.rawValue)].dropped
    }

    /// What was lost so far: by record type, or by program where one did not run.
    var losses: [(name: String, lost: UInt64)] {
        var losses: [(name: String, lost: UInt64)] = []
        for (type, counter) in byType.enumerated() {
            let lost = counter.dropped + (abandoned[UInt32(type)] ?? 0)
            if lost > 0 { losses.append((Self.name(of: UInt32(type)), lost)) }
        }
        for program in programs where program.misses > 0 { losses.append((program.name, program.misses)) }
        return losses
    }

    /// Counts saved arguments whose thread has exited: no return will collect them. Call it once,
    /// while the probes are still attached.
    func countAbandoned() {
        guard let saved else { return }
        var key = vs_saved_key(), args = vs_saved_args()
        var isFirst = true
        while true {
            var next = vs_saved_key()
            guard (isFirst ? bpf_map_get_next_key(saved, nil, &next) : bpf_map_get_next_key(saved, &key, &next)) == 0
            else { break }
            isFirst = false
            key = next
            guard !Files.exists("/proc/\(key.tid)"), bpf_map_lookup_elem(saved, &key, &args) == 0 else { continue }
            abandoned[args.type, default: 0] += 1
        }
    }

    private func readCounters() -> (attempted: UInt64, dropped: UInt64) {
        var key: UInt32 = 0
        guard counters >= 0, bpf_map_lookup_elem(counters, &key, &perCPU) == 0 else { return (0, 0) }
        var sum: (attempted: UInt64, dropped: UInt64) = (0, 0)
        for type in byType.indices { byType[type] = vs_counter() }
        perCPU.withUnsafeBytes { bytes in
            let all = bytes.bindMemory(to: vs_counter.self)
            for index in all.indices {
                sum.attempted += all[index].attempted
                sum.dropped += all[index].dropped
                byType[index % Int(VS_COUNTERS)].attempted += all[index].attempted
                byType[index % Int(VS_COUNTERS)].dropped += all[index].dropped
            }
        }
        return sum
    }

    private func readMisses() {
        for index in programs.indices {
            var info = bpf_prog_info()
            var size = UInt32(MemoryLayout<bpf_prog_info>.size)
            if bpf_obj_get_info_by_fd(programs[index].descriptor, &info, &size) == 0 {
                programs[index].misses = info.recursion_misses
            }
        }
    }

    private static func name(of type: UInt32) -> String {
        switch vs_type(type) {
        case VS_CONTAINER_OPEN: "container open"
        case VS_CONTAINER_CLOSE: "container close"
        case VS_IOMMU_OPEN: "iommu open"
        case VS_IOMMU_RELEASE: "iommu release"
        case VS_IOMMU_ATTACH: "iommu attach"
        case VS_IOMMU_DETACH: "iommu detach"
        case VS_GROUP_OPEN: "group open"
        case VS_GROUP_CLOSE: "group close"
        case VS_GROUP_ATTACH: "group attach"
        case VS_GROUP_DETACH: "group detach"
        case VS_DEVICE_OPEN: "device open"
        case VS_DEVICE_CLOSE: "device close"
        case VS_DEVICE_ENABLE: "device first open"
        case VS_DEVICE_DISABLE: "device last close"
        case VS_BAR_MMAP: "BAR mmap"
        case VS_MAP: "map"
        case VS_EXTENT: "extent"
        case VS_REMOVE: "mapping removed"
        case VS_UNMAP: "unmap"
        case VS_MEMORY: "memory decode"
        case VS_RESET: "reset"
        case VS_POWER: "power"
        case VS_DRIVER: "driver"
        case VS_PCI_REMOVE: "device removed"
        case VS_EXIT: "process exit"
        case VS_EXEC: "process exec"
        case VS_MODULE: "module load"
        case VS_FORK: "process fork"
        case VS_KEPT_BAR: "kept BAR"
        case VS_SNAP_MAP: "snapshot mapping"
        default: "snapshot"
        }
    }
}
