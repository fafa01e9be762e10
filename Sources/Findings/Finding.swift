// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// How severe a finding is, from what is worth knowing to what is wrong now.
public enum Severity: UInt8, Sendable, Comparable, CaseIterable {
    case info = 0, low, medium, high, critical

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// The next higher severity; the highest stays.
    var raised: Self { Self(rawValue: rawValue + 1) ?? self }

    public var name: String {
        switch self {
        case .info: "info"
        case .low: "low"
        case .medium: "medium"
        case .high: "high"
        case .critical: "critical"
        }
    }

    public init?(name: some StringProtocol) {
        guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }
}

/// A rule that held for longer than the debounce, or a lint's first occurrence.
///
/// Every finding has a container, an actor and times. The rest depends on its rule: an exposure has
/// a place in IOVA space and one in a BAR; a kept area has only the latter; a lint has the range of
/// its call, and a place in a BAR if the call reached one; a container's condition has neither.
public struct Finding: Sendable {
    public enum State: Sendable, Equatable { case open, resolved }

    /// `f1`, `f2`, …; unchanged when the severity changes or the finding resolves.
    public var id: UInt32
    /// The rule's slug.
    public var rule: String
    public var severity: Severity
    public var state: State
    /// When this was emitted, nanoseconds since boot.
    public var time: UInt64
    public var container: ContainerID?
    public var iova: UInt64?
    public var size: UInt64?
    /// `device`, `bar` and `barOffset` are set together; the offset is in bytes.
    public var device: PCIAddress?
    public var bar: UInt8?
    public var barOffset: UInt64?
    /// Whether a DMA would reach the device now; nil if no device is concerned.
    public var reachable: Bool?
    /// When the condition began and, once resolved, ended, nanoseconds since boot. For a lint, its
    /// first and its last occurrence.
    public var since: UInt64
    public var until: UInt64?
    /// The mapping's creator, the caller, or the process that the container's condition is about.
    public var actor: Actor
    /// The device's other user, if it has one.
    public var deviceOwner: Actor?
    public var message: String
    /// Records were lost when the condition began or while it held: it may have begun earlier.
    public var isAfterGap = false
    /// The mapped part is writable and holds the device's MSI-X table, which raised the severity by
    /// one.
    public var holdsMSIXTable = false
    /// How often it has happened so far; nil unless it is a lint.
    public var occurrences: UInt64?

    /// Whether it is about one place in one mapping, not about a container or a call.
    public var isOfMapping: Bool { device != nil && iova != nil && occurrences == nil }
}
