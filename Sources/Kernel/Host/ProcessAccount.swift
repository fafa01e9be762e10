import CRecords
import Events

/// Which processes have been told of, and what was said of them last: a limit can be raised, and a
/// program replaced, while one lives.
final class ProcessAccount {
    private var said: [ProcessKey: Int] = [:]
    private var last = ProcessKey()
    private var lastFailure: UInt64 = 0
    /// Maps can fail in a storm; looking at /proc again after one takes longer than the map did,
    /// nanoseconds.
    private static let patience: UInt64 = 100_000_000

    /// Calls `body` with a VS_PROCESS_INFO record if the process is new or, `again`, if anything
    /// has changed since the last one.
    func look(_ header: vs_header, again: Bool, _ body: (UnsafeRawPointer, Int) -> Void) {
        let process = ProcessKey(pid: header.tgid, start: header.start)
        if !again, process == last { return }
        last = process
        let before = said[process]
        guard again || before == nil else { return }
        // One that is gone stays unknown.
        if before == nil { said[process] = 0 }
        ProcessScan.record(for: header) { record, count in
            let facts = UnsafeRawBufferPointer(start: record, count: count)[MemoryLayout<vs_header>.size...]
            var hasher = Hasher()
            hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: facts))
            let hash = hasher.finalize()
            guard hash != before else { return }
            said[process] = hash
            body(record, count)
        }
    }

    /// The same for a map: hardly ever news, so no hash for the process that came last. One that
    /// was refused for want of memory asks again, because the limit may be another by now.
    @inline(__always)
    func map(_ map: vs_map, _ body: (UnsafeRawPointer, Int) -> Void) {
        if map.ret == 0, map.h.tgid == last.pid, map.h.start == last.start { return }
        let isRefused = map.ret == -12 && map.h.time >= lastFailure &+ Self.patience
        if isRefused { lastFailure = map.h.time }
        look(map.h, again: isRefused, body)
    }
}
