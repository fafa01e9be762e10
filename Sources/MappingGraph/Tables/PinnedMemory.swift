import Events

/// RAM that a process's mappings pin, in all containers, held against what it may lock. type1
/// counts each mapping's pages in the process's `mm->locked_vm` and refuses a map that would go
/// beyond RLIMIT_MEMLOCK (`vfio_pin_pages_remote`, all versions).
struct PinnedMemory: Sendable {
    private(set) var bytes: UInt64 = 0
    private(set) var growth = Growth()
    /// nil for none, or one that is not known.
    private(set) var limit: UInt64?
    /// At how many bytes it is near its limit, and from how few on it is so no more.
    private var mark = UInt64.max
    private var relief: UInt64 = 0
    /// The slot of the container of the latest mapping.
    private var latest: Int32 = -1
    /// While it is near its limit, the slot of the container whose mapping brought it there; else
    /// -1.
    private(set) var nearIn: Int32 = -1

    /// Whether it is near its limit now and was not before. `time` is nil for a mapping whose
    /// making was not seen: no rate follows from it.
    @inline(__always)
    mutating func pin(_ ram: UInt64, slot: Int, at time: UInt64?) -> Bool {
        if let time { growth.add(Int64(truncatingIfNeeded: ram), at: time) }
        bytes &+= ram
        latest = Int32(truncatingIfNeeded: slot)
        guard bytes >= mark, nearIn < 0 else { return false }
        nearIn = latest
        return true
    }

    /// Whether it is near its limit no more.
    @inline(__always)
    mutating func unpin(_ ram: UInt64, at time: UInt64?) -> Bool {
        if let time { growth.add(0 &- Int64(truncatingIfNeeded: ram), at: time) }
        bytes &-= ram
        guard nearIn >= 0, bytes < relief else { return false }
        nearIn = -1
        return true
    }

    /// - Parameter percent: of the limit, the mark; it is over 5 % below.
    mutating func setLimit(_ limit: UInt64?, percent: Int) {
        self.limit = limit
        mark = limit.map { max(1, Self.share($0, percent)) } ?? .max
        relief = limit.map { max(1, Self.share($0, percent - 5)) } ?? 0
        nearIn = bytes >= mark ? (nearIn >= 0 ? nearIn : latest) : -1
    }

    /// The container is gone.
    mutating func leave(slot: Int) {
        if nearIn == Int32(truncatingIfNeeded: slot) { nearIn = -1 }
    }

    private static func share(_ limit: UInt64, _ percent: Int) -> UInt64 {
        limit < 1 << 56 ? limit * UInt64(max(percent, 0)) / 100 : limit / 100 * UInt64(max(percent, 0))
    }
}
