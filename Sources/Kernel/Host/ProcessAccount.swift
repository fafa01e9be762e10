// SPDX-License-Identifier: Apache-2.0
import CRecords
import Events
import Glibc

/// Scans /proc for each process once, and again when something may have changed: a limit can be
/// raised and a program replaced while a process lives. Emits a record only for what is new.
final class ProcessAccount {
    /// A hash of what was emitted last for each process; 0 for a process that was gone when it was
    /// scanned.
    private var emitted: [ProcessKey: Int] = [:]
    private var last = ProcessKey()
    private var lastFailure: UInt64 = 0
    /// The least time between scans after failed map requests, in nanoseconds. Requests can fail in
    /// a storm, and a scan takes longer than the request did.
    private static let patience: UInt64 = 100_000_000

    /// Scans the process if it is new, or if `again`; calls `body` with a VS_PROCESS_INFO record if
    /// anything has changed since the previous one.
    func scan(_ header: vs_header, again: Bool, _ body: (UnsafeRawPointer, Int) -> Void) {
        let process = ProcessKey(pid: header.tgid, start: header.start)
        if !again, process == last { return }
        last = process
        let previous = emitted[process]
        guard again || previous == nil else { return }
        // A process that has exited already is not scanned again.
        if previous == nil { emitted[process] = 0 }
        ProcessScan.record(for: header) { record, count in
            let facts = UnsafeRawBufferPointer(start: record, count: count)[MemoryLayout<vs_header>.size...]
            var hasher = Hasher()
            hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: facts))
            let hash = hasher.finalize()
            guard hash != previous else { return }
            emitted[process] = hash
            body(record, count)
        }
    }

    /// The same for a map request, which rarely brings anything new: for the process seen last it
    /// costs two comparisons. A request that failed with ENOMEM causes another scan, because
    /// RLIMIT_MEMLOCK may have changed.
    @inline(__always)
    func scan(afterMap map: vs_map, _ body: (UnsafeRawPointer, Int) -> Void) {
        if map.ret == 0, map.h.tgid == last.pid, map.h.start == last.start { return }
        let isRefused = map.ret == -ENOMEM && map.h.time >= lastFailure &+ Self.patience
        if isRefused { lastFailure = map.h.time }
        scan(map.h, again: isRefused, body)
    }
}
