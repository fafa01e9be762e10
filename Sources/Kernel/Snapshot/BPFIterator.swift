// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// Runs a loaded BPF iterator over all its objects (tasks, files or areas). The program writes its
/// results to the ring, not to the iterator's descriptor.
enum BPFIterator {
    /// Returns whether the iterator reached its end.
    @discardableResult
    static func run(_ program: OpaquePointer) -> Bool {
        guard let link = bpf_program__attach_iter(program, nil) else { return false }
        defer { bpf_link__destroy(link) }
        let descriptor = bpf_iter_create(bpf_link__fd(link))
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var buffer: UInt64 = 0
        while true {
            let count = read(descriptor, &buffer, MemoryLayout<UInt64>.size)
            if count < 0 && (errno == EAGAIN || errno == EINTR) { continue }
            return count == 0
        }
    }
}
