// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// Runs the BPF program of peers/producer.bpf.c, which fills the ring with mappings made and
/// removed.
struct Producer {
    static let ringBytes = 16 << 20
    /// Runs that fill three quarters of the ring, as in peers/producer.h.
    private static let runs: Int32 = 34_000

    let ring: Int32
    private let program: Int32

    init?(_ path: String) {
        guard let object = bpf_object__open_file(path, nil), bpf_object__load(object) == 0 else { return nil }
        program = bpf_program__fd(bpf_object__find_program_by_name(object, "produce"))
        ring = bpf_map__fd(bpf_object__find_map_by_name(object, "ring"))
    }

    func fill() {
        var packet = [UInt8](repeating: 0, count: 64)
        packet.withUnsafeMutableBytes { bytes in
            var options = bpf_test_run_opts()
            options.sz = MemoryLayout<bpf_test_run_opts>.size
            options.data_in = UnsafeRawPointer(bytes.baseAddress)
            options.data_size_in = UInt32(bytes.count)
            options.repeat = Self.runs
            bpf_prog_test_run_opts(program, &options)
        }
    }
}

/// Nanoseconds of CPU time that this thread has used.
func cpuTime() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}
