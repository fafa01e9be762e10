// SPDX-License-Identifier: Apache-2.0
import Events

/// A loss of records. The events within it are missing from the graph.
public struct Gap: Sendable, Equatable {
    /// Nanoseconds since boot: the last time at which nothing had been lost, and the time at which
    /// the loss was noticed.
    public var since: UInt64
    public var until: UInt64
    /// Records.
    public var lost: UInt64
    /// When a snapshot had synchronised the graph with the kernel again, nanoseconds since boot;
    /// nil if none did.
    public var recovered: UInt64?

    /// The end of the time for which the graph may have been wrong.
    public var end: UInt64 { recovered ?? .max }
}

/// A time for which every event is in the graph, nanoseconds since boot, both ends included.
public struct EvidenceSpan: Sendable, Equatable {
    public var from: UInt64
    public var until: UInt64
}

extension Graph {
    public var lastGap: Gap? { gaps.last }

    /// A loss that occurs before the previous one is recovered belongs to the same gap.
    mutating func extendGap(since: UInt64, until: UInt64, lost: UInt64) {
        if let last = gaps.indices.last, gaps[last].recovered == nil {
            gaps[last].until = until
            gaps[last].lost &+= lost
        } else {
            gaps.append(Gap(since: since, until: until, lost: lost, recovered: nil))
        }
    }

    /// The times between `began` and `ended` for which the evidence is complete. The state before
    /// tracing is known from the end of the first snapshot. O(gaps).
    public func evidenceSpans(began: UInt64, ended: UInt64) -> [EvidenceSpan] {
        var spans: [EvidenceSpan] = []
        var from = max(began, knownSince ?? began)
        for gap in gaps {
            if gap.since > from { spans.append(EvidenceSpan(from: from, until: gap.since)) }
            from = max(from, gap.end)
        }
        if ended >= from { spans.append(EvidenceSpan(from: from, until: ended)) }
        return spans
    }
}
