// SPDX-License-Identifier: Apache-2.0
import MappingGraph

/// Conditions that wait for their debounce to pass, in the order of their deadlines.
///
/// There are few durations, and time does not go back, so the deadlines of each duration ascend:
/// one queue for each duration, not a heap. A condition that ends stays in its queue; the engine
/// ignores it by its sequence number.
@usableFromInline
struct DeadlineQueue: Sendable {
    struct Item: Sendable {
        var deadline: UInt64
        /// Unique and ascending: a condition that ends and begins again has a new one.
        var sequence: UInt64
        var subject: Subject
        var target: Int
        var rule: Int
    }

    private struct Lane: Sendable {
        let duration: UInt64
        var items: [Item] = []
        var head = 0
        var first: Item? { head < items.count ? items[head] : nil }
    }

    private var lanes: [Lane] = []

    /// The earliest deadline, nanoseconds; `UInt64.max` if there is none. O(1).
    @usableFromInline private(set) var next = UInt64.max
    private var nextLane = 0

    /// Adds a deadline `duration` after `now`; `now` is never less than at the previous call.
    /// O(durations).
    mutating func append(_ subject: Subject, target: Int, rule: Int, sequence: UInt64, now: UInt64, duration: UInt64) {
        var lane = lanes.firstIndex { $0.duration == duration } ?? lanes.count
        if lane == lanes.count { lanes.append(Lane(duration: duration)) }
        let (sum, overflow) = now.addingReportingOverflow(duration)
        lanes[lane].items.append(
            Item(deadline: overflow ? .max : sum, sequence: sequence, subject: subject, target: target, rule: rule))
        findNext(&lane)
    }

    /// Removes and returns the first item if its deadline is `time` or earlier. O(durations) on
    /// average.
    mutating func pop(upTo time: UInt64) -> Item? {
        guard next <= time, nextLane < lanes.count, let item = lanes[nextLane].first else { return nil }
        var lane = nextLane
        lanes[lane].head += 1
        if lanes[lane].head == lanes[lane].items.count {
            lanes[lane].items.removeAll(keepingCapacity: true)
            lanes[lane].head = 0
        } else if lanes[lane].head >= 1024, lanes[lane].head * 2 >= lanes[lane].items.count {
            lanes[lane].items.removeSubrange(0..<lanes[lane].head)
            lanes[lane].head = 0
        }
        findNext(&lane)
        return item
    }

    /// Finds the item with the earliest deadline, and of several the one with the lowest number.
    private mutating func findNext(_ lane: inout Int) {
        var best: Item?
        for (index, it) in lanes.enumerated() {
            guard let first = it.first,
                best.map({ (first.deadline, first.sequence) < ($0.deadline, $0.sequence) }) ?? true
            else { continue }
            best = first
            lane = index
        }
        next = best?.deadline ?? .max
        nextLane = lane
    }
}

/// What a condition is about.
enum Subject: Hashable, Sendable {
    /// `PeerMapping.id`.
    case peer(UInt32)
    case container(ContainerID)
    /// `KeptArea.id`.
    case area(UInt32)
}
