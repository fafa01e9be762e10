// SPDX-License-Identifier: Apache-2.0
import Events

/// The RAM that a process's mappings pin in all containers, compared with the amount that the
/// process may lock. type1 counts each mapping's pages in the process's `mm->locked_vm` and refuses
/// a map that would go beyond RLIMIT_MEMLOCK (`vfio_pin_pages_remote`, all versions).
struct PinnedMemory: Sendable {
    private(set) var bytes: UInt64 = 0
    private(set) var growth = Growth()
    /// nil if there is no limit, or if it is unknown.
    private(set) var limit: UInt64?
    /// The process is near its limit from `mark` bytes on, until it has fewer than `relief`.
    private var mark = UInt64.max
    private var relief: UInt64 = 0
    /// The slot of the container of the latest mapping.
    private var latest: Int32 = -1
    /// While the process is near its limit, the slot of the container whose mapping brought it
    /// there; otherwise -1.
    private(set) var nearIn: Int32 = -1

    /// Adds pinned RAM. Returns whether this brought the process near its limit. `time` is nil for
    /// a mapping whose creation was not seen: it does not count for the rate.
    @inline(__always)
    mutating func pin(_ ram: UInt64, slot: Int, at time: UInt64?) -> Bool {
        if let time { growth.add(Int64(truncatingIfNeeded: ram), at: time) }
        bytes &+= ram
        latest = Int32(truncatingIfNeeded: slot)
        guard bytes >= mark, nearIn < 0 else { return false }
        nearIn = latest
        return true
    }

    /// Subtracts pinned RAM. Returns whether the process thereby stopped being near its limit.
    @inline(__always)
    mutating func unpin(_ ram: UInt64, at time: UInt64?) -> Bool {
        if let time { growth.add(0 &- Int64(truncatingIfNeeded: ram), at: time) }
        bytes &-= ram
        guard nearIn >= 0, bytes < relief else { return false }
        nearIn = -1
        return true
    }

    /// - Parameter percent: the mark, in percent of the limit. The relief is 5 % of the limit
    ///   below.
    mutating func setLimit(_ limit: UInt64?, percent: Int) {
        self.limit = limit
        mark = limit.map { max(1, Self.share($0, percent)) } ?? .max
        relief = limit.map { max(1, Self.share($0, percent - 5)) } ?? 0
        nearIn = bytes >= mark ? (nearIn >= 0 ? nearIn : latest) : -1
    }

    /// Forgets a container that no longer exists.
    mutating func leave(slot: Int) {
        if nearIn == Int32(truncatingIfNeeded: slot) { nearIn = -1 }
    }

    private static func share(_ limit: UInt64, _ percent: Int) -> UInt64 {
        limit < 1 << 56 ? limit * UInt64(max(percent, 0)) / 100 : limit / 100 * UInt64(max(percent, 0))
    }
}
