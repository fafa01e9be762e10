// SPDX-License-Identifier: Apache-2.0
import Events

/// Decides when to scan for areas of BARs that processes keep past the kernel's zap, and what
/// follows from the results: a value without clock or kernel.
///
/// An area counts as kept when two scans, some time apart, have found it and no complete scan in
/// between has missed it: a single scan can meet a zap or a page fault half way. It counts as let
/// go when a complete scan does not find it.
struct KeptBarScans {
    struct Area: Hashable {
        var process: ProcessKey
        /// Packed PCI address.
        var device: UInt64
        /// Physical address of the first byte.
        var address: UInt64
        /// Bytes.
        var size: UInt64
    }

    /// From a reason to scan until the scan. A fork takes time to copy the page tables, and forks
    /// come in bursts. Nanoseconds, as are all that follow.
    static let delay: UInt64 = 100_000_000
    /// The least time between a scan that finds an area and the scan that confirms it.
    static let confirmationInterval: UInt64 = 100_000_000
    /// The least time between other scans.
    static let interval: UInt64 = 1_000_000_000
    /// In the long run, scans take at most one part in this many of one CPU's time: a scan visits
    /// every area of every process.
    static let share: Int64 = 50
    /// The most CPU time that can be saved up while there are no scans. It lets the first scans run
    /// without delay even where a scan is expensive or the machine is slow.
    static let savings: Int64 = 500_000_000

    /// When to scan next; `UInt64.max` while there is no reason to.
    private(set) var due = UInt64.max
    /// Scans still to be made even if they find nothing: during the first, the fork of a large
    /// process may still be under way.
    private var promised = 0
    private var last: (began: UInt64, ended: UInt64)?
    /// CPU time that scans may use, as of the end of the last one; below 0 it is owed.
    private var credit = Self.savings
    /// The areas that every complete scan has found since this time.
    private var seen: [Area: UInt64] = [:]
    /// Areas reported as kept and not yet as let go.
    private var reported: Set<Area> = []
    /// Areas that the current scan has found.
    private var found: Set<Area> = []

    /// Schedules scans: a process has got an area, or the kernel has just zapped one.
    mutating func request(at now: UInt64) {
        promised = 2
        due = min(due, max(now + Self.delay, afterInterval))
    }

    /// Schedules scans like `request`, the first of them immediately.
    mutating func requestNow(at now: UInt64) {
        request(at: now)
        due = now
    }

    mutating func begin(at now: UInt64) {
        if let last { credit = min(Self.savings, credit + Int64(now - last.ended) / Self.share) }
        last = (now, now)
        found = []
    }

    /// Records that the current scan has found `area`; returns whether this confirms that the area
    /// is kept, and that has not been reported yet.
    mutating func add(_ area: Area) -> Bool {
        found.insert(area)
        let now = last?.began ?? 0
        guard let first = seen[area] else {
            seen[area] = now
            return false
        }
        return now >= first + Self.confirmationInterval && reported.insert(area).inserted
    }

    /// Ends the current scan; returns the areas that have been let go. From an incomplete scan,
    /// during which records were lost or which was broken off, nothing follows about the areas that
    /// it did not find.
    ///
    /// - Parameter cost: the CPU time that the scan used, without the time it waited for a lock or
    ///   for a CPU.
    mutating func end(at now: UInt64, cost: UInt64, isComplete: Bool) -> [Area] {
        last?.ended = now
        credit -= Int64(cost)
        promised = max(0, promised - 1)
        var gone: [Area] = []
        if isComplete {
            seen = seen.filter { found.contains($0.key) }
            gone = reported.filter { !found.contains($0) }
            reported.subtract(gone)
        }
        due = seen.isEmpty && promised == 0 ? .max : afterInterval
        // A confirmation comes before the usual interval has passed.
        if isUnconfirmed { due = min(due, now + max(Self.confirmationInterval, debt)) }
        return gone
    }

    /// Whether an area has been found that a second scan has yet to confirm.
    var isUnconfirmed: Bool { seen.keys.contains { !reported.contains($0) } }

    private var afterInterval: UInt64 { last.map { $0.ended + max(Self.interval, debt) } ?? 0 }

    /// How long it takes until the CPU time that is owed has been earned again.
    private var debt: UInt64 { UInt64(max(0, -credit) * Self.share) }
}
