// SPDX-License-Identifier: Apache-2.0
import Events

/// Extents that wait for their `map` event, by thread.
struct ExtentBuffer: Sendable {
    /// A thread makes one mapping at a time. If there are more threads than this, the maps of some
    /// were lost.
    static let maxThreads = 1024

    private var byThread: [UInt32: Few<Extent>] = [:]

    var isEmpty: Bool { byThread.isEmpty }

    func holds(_ thread: UInt32) -> Bool { byThread[thread] != nil }

    mutating func append(_ extent: Extent, thread: UInt32) {
        if byThread.count >= Self.maxThreads, byThread[thread] == nil { byThread.removeAll() }
        byThread[thread, default: Few()].append(extent)
    }

    /// Returns the last `count` extents of a thread and forgets the thread. Earlier extents belong
    /// to a map that was lost.
    mutating func consume(_ count: UInt32, thread: UInt32) -> Slice<Few<Extent>> {
        guard !byThread.isEmpty, let extents = byThread.removeValue(forKey: thread) else { return Few()[...] }
        return extents.suffix(Int(count))
    }

    mutating func drop(thread: UInt32) {
        if !byThread.isEmpty { byThread[thread] = nil }
    }
}
