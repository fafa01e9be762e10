import Events

/// When to look for areas of BARs that processes keep past the kernel's zap, and what follows from
/// what the looks find: a value without clock or kernel.
///
/// An area is kept once two looks have found it, some time apart, and none that was complete in
/// between has not: one look alone can meet a zap or a fault half way. It is let go when a complete
/// look does not find it.
struct KeptBarLooks {
    struct Area: Hashable {
        var process: ProcessKey
        /// Packed.
        var device: UInt64
        /// Physical, of its first byte.
        var address: UInt64
        /// Bytes.
        var size: UInt64
    }

    /// How long after what gives reason to look: a fork takes its time, and they come in numbers.
    /// Nanoseconds, as all that follow.
    static let delay: UInt64 = 100_000_000
    /// The least time between two looks that find the same.
    static let apart: UInt64 = 100_000_000
    /// The least time between other looks.
    static let interval: UInt64 = 1_000_000_000
    /// A look goes through every area of every process: in the long run looks take this part of one
    /// CPU's time.
    static let share: Int64 = 50
    /// CPU time that is saved up while none is taken, at most. It lets the first looks come at once
    /// where a look is dear, or the machine slow.
    static let savings: Int64 = 500_000_000

    /// When to look next; the greatest number while there is no reason to.
    private(set) var due = UInt64.max
    /// Looks that are taken even if they find nothing: a large process's fork can be under way at
    /// the first.
    private var promised = 0
    private var last: (began: UInt64, ended: UInt64)?
    /// CPU time that looks may take, as of the end of the last one; below 0 it is owed.
    private var credit = Self.savings
    /// When an area was found first, of those that every complete look since has found.
    private var seen: [Area: UInt64] = [:]
    private var told: Set<Area> = []
    private var found: Set<Area> = []

    /// There may be something to find: a process got an area, or the kernel has taken one away.
    mutating func request(at now: UInt64) {
        promised = 2
        due = min(due, max(now + Self.delay, afterInterval))
    }

    /// The same for who does not wait.
    mutating func hurry(at now: UInt64) {
        request(at: now)
        due = now
    }

    mutating func begin(at now: UInt64) {
        if let last { credit = min(Self.savings, credit + Int64(now - last.ended) / Self.share) }
        last = (now, now)
        found = []
    }

    /// Whether it is news, by the look that began last, that the area is kept.
    mutating func find(_ area: Area) -> Bool {
        found.insert(area)
        let now = last?.began ?? 0
        guard let first = seen[area] else {
            seen[area] = now
            return false
        }
        return now >= first + Self.apart && told.insert(area).inserted
    }

    /// Gives what has been let go. A look during which something was lost, or that was broken off,
    /// tells nothing of what it did not find.
    ///
    /// - Parameter cost: the CPU time that it took. What it spent waiting for a lock, or for a CPU,
    ///   is not its own.
    mutating func end(at now: UInt64, cost: UInt64, isComplete: Bool) -> [Area] {
        last?.ended = now
        credit -= Int64(cost)
        promised = max(0, promised - 1)
        var gone: [Area] = []
        if isComplete {
            seen = seen.filter { found.contains($0.key) }
            gone = told.filter { !found.contains($0) }
            told.subtract(gone)
        }
        due = seen.isEmpty && promised == 0 ? .max : afterInterval
        // What awaits its second look is not kept waiting.
        if isUndecided { due = min(due, now + max(Self.apart, debt)) }
        return gone
    }

    /// Whether something awaits its second look.
    var isUndecided: Bool { seen.keys.contains { !told.contains($0) } }

    private var afterInterval: UInt64 { last.map { $0.ended + max(Self.interval, debt) } ?? 0 }

    /// How long it takes until what is owed is made good.
    private var debt: UInt64 { UInt64(max(0, -credit) * Self.share) }
}
