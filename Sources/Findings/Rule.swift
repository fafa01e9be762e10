import Events
import MappingGraph

/// A defect, as a predicate: a pure function of the present state or of one event. The engine does
/// the time.
///
/// A new rule is one file in Rules/, conforming to `ExposureRule`, `AreaRule`, `ContainerRule` or
/// `EventRule`, and one line in `RuleRegistry`. `explain` prints the texts: keep their lines under
/// 100 columns.
public protocol Rule: Sendable {
    /// What it judges; the protocols below give it.
    var judging: RuleJudging { get }
    /// The stable name: lower case, words joined by `-`.
    var slug: String { get }
    /// What is wrong, in one line without a full stop.
    var title: String { get }
    /// Lowest and highest severity of its findings, both inclusive.
    var severities: ClosedRange<Severity> { get }
    /// What it means, when it is a false positive: paragraphs parted by empty lines.
    var explanation: String { get }
    /// What it rests on, each with the kernel function and the versions.
    var kernelFacts: [String] { get }
    /// What to do about it.
    var advice: String { get }
    /// How long its condition has to hold, nanoseconds, where that is longer than the engine's
    /// debounce.
    var patienceNanoseconds: UInt64 { get }
}

extension Rule {
    /// The severity when things are at their worst.
    public var defaultSeverity: Severity { severities.upperBound }
    public var patienceNanoseconds: UInt64 { 0 }
}

/// A rule by what it judges. To ask the runtime which protocols a type conforms to costs 150,000
/// instructions a rule; this costs none.
public enum RuleJudging {
    case exposure(any ExposureRule), area(any AreaRule), container(any ContainerRule), event(any EventRule)

    var exposure: (any ExposureRule)? { if case .exposure(let rule) = self { rule } else { nil } }
    var area: (any AreaRule)? { if case .area(let rule) = self { rule } else { nil } }
    var container: (any ContainerRule)? { if case .container(let rule) = self { rule } else { nil } }
    var event: (any EventRule)? { if case .event(let rule) = self { rule } else { nil } }
}

/// Judges a part of a mapping that leads to a device.
public protocol ExposureRule: Rule {
    /// Whether a MSI-X table in what the mapping leads to makes it worse by one severity. Not where
    /// the two have nothing to hide from each other.
    var weighsMSIXTable: Bool { get }
    /// Whether the condition holds now. Called for every event that could change it: builds no
    /// text.
    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict?
    /// The finding's sentence; only called when a finding is emitted.
    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String
}

extension ExposureRule {
    public var judging: RuleJudging { .exposure(self) }
    public var weighsMSIXTable: Bool { false }
}

/// Judges a part of a BAR that a process keeps past the kernel's zap.
public protocol AreaRule: Rule {
    /// Whether the condition holds now. Called for every event that is no map or unmap, as long as
    /// there is such an area.
    func evaluate(_ area: KeptArea, graph: borrowing Graph) -> Verdict?
    func message(_ area: KeptArea, graph: borrowing Graph) -> String
}

extension AreaRule {
    public var judging: RuleJudging { .area(self) }
}

/// Judges a container that has an IOMMU side: without one it has no mappings, and every condition
/// is over.
public protocol ContainerRule: Rule {
    /// Whether to ask, too, when the number of mappings passes a mark of `Graph.mappingLimit`, or a
    /// process's pinned memory one of its limit.
    var watchesMappingCount: Bool { get }
    /// Whether the condition holds now, given whether it did when it was asked last. Not called for
    /// an ordinary map or unmap.
    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict?
    func message(_ container: Container, graph: borrowing Graph) -> String
    /// The same for a sentence that tells a rate: `time` is that of the finding.
    func message(_ container: Container, graph: borrowing Graph, at time: UInt64) -> String
}

extension ContainerRule {
    public var judging: RuleJudging { .container(self) }
    public func message(_ container: Container, graph: borrowing Graph, at time: UInt64) -> String {
        message(container, graph: graph)
    }
    public var watchesMappingCount: Bool { false }
}

/// A lint: judges one call, without waiting. The engine says the first of each kind in a container
/// and counts the others.
public protocol EventRule: Rule {
    /// What is wrong with an event for which `Applied.isUnusual` holds; builds no text.
    func evaluate(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> Occurrence?
    func message(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> String
}

extension EventRule {
    public var judging: RuleJudging { .event(self) }
}

/// A rule's answer for a condition that holds.
public struct Verdict: Sendable, Equatable {
    public var severity: Severity
    /// Whether a DMA would reach the device now; nil where there is none.
    public var reachable: Bool?
    /// The device's other user, where there is one.
    public var deviceOwner: Actor?
    /// Whom a container's or an area's condition is about.
    public var actor: Actor?
    /// Set by the engine, which has then raised the severity.
    var holdsMSIXTable = false

    public init(severity: Severity, reachable: Bool? = nil, deviceOwner: Actor? = nil, actor: Actor? = nil) {
        self.severity = severity
        self.reachable = reachable
        self.deviceOwner = deviceOwner
        self.actor = actor
    }
}

/// What a lint found in one call.
public struct Occurrence: Sendable, Equatable {
    public var severity: Severity
    /// Those of one rule, container and kind are one finding.
    public var kind: Int32
    public var iova: UInt64
    public var size: UInt64
    /// The device memory that it is about, where there is any.
    public var target: Target?

    public init(severity: Severity, kind: Int32 = 0, iova: UInt64, size: UInt64, target: Target? = nil) {
        self.severity = severity
        self.kind = kind
        self.iova = iova
        self.size = size
        self.target = target
    }
}
