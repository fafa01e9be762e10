// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// A defect, as a predicate: a pure function of the present state or of one event. The engine keeps
/// the time.
///
/// A new rule is one file in Rules/, conforming to `ExposureRule`, `AreaRule`, `ContainerRule` or
/// `EventRule`, and one line in `RuleRegistry`. `make docs` then writes its page and its rows in
/// tables; `RuleProofTests` runs its proof.
public protocol Rule: Sendable {
    /// What the rule judges; each of the protocols below supplies it.
    var judging: RuleJudging { get }
    /// The stable name: lower case, words joined by `-`.
    var slug: String { get }
    /// What is wrong, in one line without a full stop.
    var title: String { get }
    /// Lowest and highest severity of its findings, both inclusive.
    var severities: ClosedRange<Severity> { get }
    /// When a finding has which severity, for people: `high; medium while the device does not
    /// answer`.
    var severityNote: String { get }
    /// What is true as long as the condition holds; of an event rule, what the call did. No full
    /// stop.
    var condition: String { get }
    /// The kernels on which the condition can occur, for people.
    var kernels: String { get }
    /// What the finding means and when it is a false positive: paragraphs separated by empty lines.
    var explanation: String { get }
    /// Facts about the kernel that the rule relies on, each with the function and the versions.
    var kernelFacts: [String] { get }
    /// What to do about a finding.
    var advice: String { get }
    /// A history on which the rule fires, and a similar one on which it is silent.
    var proof: RuleProof { get }

    /// How long the condition must hold, nanoseconds, if that is longer than the engine's debounce.
    var patienceNanoseconds: UInt64 { get }
    /// The words before the time for which a resolved finding held: `over, it held for`.
    var durationWording: String { get }
    /// Sets the marks at which the graph reports a change to this rule. Called once, before the
    /// first event.
    func configure(_ graph: inout Graph)
}

extension Rule {
    public var severityNote: String { severities.text }
    public var kernels: String { "all" }
    public var patienceNanoseconds: UInt64 { 0 }
    public var durationWording: String { "over, it held for" }
    public func configure(_ graph: inout Graph) {}
}

extension ClosedRange<Severity> {
    /// `medium–high`, or `high` for a range of one.
    public var text: String {
        lowerBound == upperBound ? upperBound.name : "\(lowerBound.name)–\(upperBound.name)"
    }
}

/// A rule by what it judges. Asking the runtime which protocols a type conforms to costs 150,000
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
    /// Whether the finding is one severity higher if the mapped part holds the device's MSI-X
    /// table. False for a rule whose two sides may see each other's memory.
    var weighsMSIXTable: Bool { get }
    /// Whether the verdict depends on which device now lies at the mapping's physical addresses.
    /// The engine then asks again after each event of any device, as long as the condition holds.
    var watchesResidents: Bool { get }
    /// Whether the condition holds now. Called for every event that could change it: builds no
    /// text.
    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict?
    /// The finding's sentence; only called when a finding is emitted.
    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String
}

extension ExposureRule {
    public var judging: RuleJudging { .exposure(self) }
    public var weighsMSIXTable: Bool { false }
    public var watchesResidents: Bool { false }
}

/// Judges a part of a BAR that stays in a process's page table when the kernel zaps the BAR.
public protocol AreaRule: Rule {
    /// Whether the condition holds now. Called for every event but maps and unmaps, as long as
    /// there is such an area.
    func evaluate(_ area: KeptArea, graph: borrowing Graph) -> Verdict?
    /// The finding's sentence; only called when a finding is emitted.
    func message(_ area: KeptArea, graph: borrowing Graph) -> String
}

extension AreaRule {
    public var judging: RuleJudging { .area(self) }
}

/// Judges a container that has an IOMMU side. Without one it has no mappings, and every condition
/// ends.
public protocol ContainerRule: Rule {
    /// Whether to ask the rule also when the number of mappings passes a mark of
    /// `Graph.mappingLimit`, or a process's pinned memory a mark of its limit.
    var watchesMappingCount: Bool { get }
    /// Whether the condition holds now, given whether it held at the previous call. Not called for
    /// an ordinary map or unmap.
    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict?
    /// The finding's sentence; only called when a finding is emitted.
    func message(_ container: Container, graph: borrowing Graph) -> String
    /// The same for a sentence that contains a rate: `time` is the finding's.
    func message(_ container: Container, graph: borrowing Graph, at time: UInt64) -> String
}

extension ContainerRule {
    public var judging: RuleJudging { .container(self) }
    public func message(_ container: Container, graph: borrowing Graph, at time: UInt64) -> String {
        message(container, graph: graph)
    }
    public var watchesMappingCount: Bool { false }
}

/// A lint: judges one call, without waiting. The engine reports the first call of each kind in a
/// container and counts the others.
public protocol EventRule: Rule {
    /// What is wrong with an event for which `Applied.isUnusual` holds; builds no text.
    func evaluate(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> Occurrence?
    /// The finding's sentence; only called when a finding is emitted.
    func message(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> String
}

extension EventRule {
    public var judging: RuleJudging { .event(self) }
}

/// A rule's answer if its condition holds.
public struct Verdict: Sendable, Equatable {
    public var severity: Severity
    /// Whether a DMA would reach the device now; nil if no device is concerned.
    public var reachable: Bool?
    /// The device's other user, if it has one.
    public var deviceOwner: Actor?
    /// The process that a container's or an area's condition is about.
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
    /// Occurrences with the same rule, container and kind are one finding.
    public var kind: Int32
    /// The range of the call: its first byte, and its size in bytes.
    public var iova: UInt64
    public var size: UInt64
    /// The device memory that the call concerns, if any.
    public var target: Target?

    public init(severity: Severity, kind: Int32 = 0, iova: UInt64, size: UInt64, target: Target? = nil) {
        self.severity = severity
        self.kind = kind
        self.iova = iova
        self.size = size
        self.target = target
    }
}
