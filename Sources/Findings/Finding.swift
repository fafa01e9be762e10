import Events
import MappingGraph

public enum Severity: UInt8, Sendable, Comparable, CaseIterable {
    case info = 0, low, medium, high, critical

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// The next one; the highest stays.
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
/// What a finding has besides container, actor and times depends on its rule: an exposure has a
/// place in both IOVA space and a BAR, what a process keeps of a BAR a place in that alone, a lint
/// that of the call if that had one, a condition of a whole container neither.
public struct Finding: Sendable {
    public enum State: Sendable, Equatable { case open, resolved }

    /// `f1`, `f2`, …; the same when it changes its severity or resolves.
    public var id: UInt32
    /// The rule's slug.
    public var rule: String
    public var severity: Severity
    public var state: State
    /// When this was said, nanoseconds since boot.
    public var time: UInt64
    public var container: ContainerID?
    public var iova: UInt64?
    public var size: UInt64?
    /// This, `bar` and `barOffset` come together.
    public var device: PCIAddress?
    public var bar: UInt8?
    public var barOffset: UInt64?
    /// Whether a DMA would reach the device now.
    public var reachable: Bool?
    /// When the condition began and, once resolved, ended; of a lint, its first and its last
    /// occurrence.
    public var since: UInt64
    public var until: UInt64?
    /// The mapping's creator; who made the call; else whom the container's condition is about.
    public var actor: Actor
    /// The device's other user, where there is one.
    public var deviceOwner: Actor?
    public var message: String
    /// Records had been lost by `since`, or while it held: it may have begun earlier than that.
    public var isAfterGap = false
    /// What the mapping leads to holds the device's MSI-X table, and the mapping may be written:
    /// one severity higher for that.
    public var holdsMSIXTable = false
    /// How often it happened so far; only of lints.
    public var occurrences: UInt64?

    /// Whether it is about one place of one mapping, not about a container or its calls.
    public var isOfMapping: Bool { device != nil && iova != nil && occurrences == nil }
}
