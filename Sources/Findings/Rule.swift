import Events
import MappingGraph

/// A defect, as a predicate on one exposure: a pure function of the present state. The engine does the time.
///
/// A new rule is one file in Rules/ and one line in `RuleRegistry`. `explain` prints the texts: keep their lines under 100 columns.
public protocol Rule: Sendable {
    /// The stable name: lower case, words joined by `-`.
    var slug: String { get }
    /// What is wrong, in one line without a full stop.
    var title: String { get }
    /// Lowest and highest severity that `evaluate` gives, both inclusive.
    var severities: ClosedRange<Severity> { get }
    /// What it means, when it is a false positive: paragraphs parted by empty lines.
    var explanation: String { get }
    /// What it rests on, each with the kernel function and the versions.
    var kernelFacts: [String] { get }
    /// What to do about it.
    var advice: String { get }

    /// Whether the condition holds now. Called for every event that could change it: builds no text.
    func evaluate(_ exposure: borrowing Exposure, graph: borrowing Graph) -> Verdict?
    /// The finding's sentence; only called when a finding is emitted.
    func message(_ exposure: borrowing Exposure, graph: borrowing Graph) -> String
}

extension Rule {
    /// The severity when things are at their worst.
    public var defaultSeverity: Severity { severities.upperBound }
}

/// A rule's answer for a condition that holds.
public struct Verdict: Sendable, Equatable {
    public var severity: Severity
    /// Whether a DMA would reach the device now.
    public var reachable: Bool
    /// The device's other user, where there is one.
    public var deviceOwner: Actor?

    public init(severity: Severity, reachable: Bool, deviceOwner: Actor? = nil) {
        self.severity = severity
        self.reachable = reachable
        self.deviceOwner = deviceOwner
    }
}
