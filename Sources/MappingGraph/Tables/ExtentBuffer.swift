import Events

/// The extents that each thread has reported and whose `map` has yet to come.
struct ExtentBuffer: Sendable {
    /// A thread makes one mapping at a time; more threads than this have lost their maps.
    static let maxThreads = 1024

    private var byThread: [UInt32: Few<Extent>] = [:]

    var isEmpty: Bool { byThread.isEmpty }

    func holds(_ thread: UInt32) -> Bool { byThread[thread] != nil }

    mutating func append(_ extent: Extent, thread: UInt32) {
        if byThread.count >= Self.maxThreads, byThread[thread] == nil { byThread.removeAll() }
        byThread[thread, default: Few()].append(extent)
    }

    /// The last `count` extents of a thread, and forgets the thread: earlier ones belong to a map
    /// that was lost.
    mutating func take(_ count: UInt32, thread: UInt32) -> Slice<Few<Extent>> {
        guard !byThread.isEmpty, let extents = byThread.removeValue(forKey: thread) else { return Few()[...] }
        return extents.suffix(Int(count))
    }

    mutating func drop(thread: UInt32) {
        if !byThread.isEmpty { byThread[thread] = nil }
    }
}
