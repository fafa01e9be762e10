import Events
import MappingGraph

public enum Severity: UInt8, Sendable, Comparable, CaseIterable {
    case info = 0, low, medium, high, critical

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

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

/// A rule that held for longer than the debounce.
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
    public var container: ContainerID
    public var iova: UInt64
    public var size: UInt64
    public var device: PCIAddress
    public var bar: UInt8
    public var barOffset: UInt64
    /// Whether a DMA would reach the device now.
    public var reachable: Bool
    /// When the condition began and, once resolved, ended.
    public var since: UInt64
    public var until: UInt64?
    /// The mapping's creator.
    public var actor: Actor
    /// The device's other user, where there is one.
    public var deviceOwner: Actor?
    public var message: String
    /// Records had been lost by `since`, or while it held: it may have begun earlier than that.
    public var isAfterGap = false
}
