import Events
import Findings
import MappingGraph

/// A graph and an engine fed as the tool feeds them, and what they found on the way. Times are
/// nanoseconds; a debounce of 500 makes tests readable.
public struct Host: ~Copyable, HistoryBuilder {
    public var graph = Graph()
    public var engine: Engine
    public var findings: [Finding] = []
    /// Events so far, for a replay.
    public var history: [Event] = []

    public init(rules: [any Rule] = RuleRegistry.all, debounce: UInt64 = 500) {
        engine = Engine(rules: rules, debounce: debounce)
        engine.configure(&graph)
    }

    public mutating func apply(_ event: Event) {
        history.append(event)
        var found: [Finding] = []
        engine.advance(to: event.time, graph: graph) { found.append($0) }
        let applied = graph.apply(event)
        engine.apply(event, applied: applied, graph: graph) { found.append($0) }
        findings += found
    }

    public mutating func at(_ time: UInt64, _ kind: Event.Kind, by actor: Actor) {
        apply(Event(time: time, actor: actor, kind: kind))
    }

    public mutating func advance(to time: UInt64) {
        var found: [Finding] = []
        engine.advance(to: time, graph: graph) { found.append($0) }
        findings += found
    }

    /// `rule severity state`, in order.
    public var reported: [String] {
        findings.map { "\($0.rule) \($0.severity.name) \($0.state == .open ? "open" : "resolved")" }
    }
}

extension Host {
    /// See `HistoryBuilder.beginPeerToPeer`.
    public static func peerToPeer(
        nicIn: ContainerKey = c1, nicOpener: Actor? = vmA, driver: String = "vfio-pci",
        rules: [any Rule] = RuleRegistry.all, debounce: UInt64 = 500
    ) -> Host {
        var it = Host(rules: rules, debounce: debounce)
        it.beginPeerToPeer(nicIn: nicIn, nicOpener: nicOpener, driver: driver)
        return it
    }

    /// See `HistoryBuilder.beginWithRAM`.
    public static func withRAM(_ rules: String..., type: UInt32 = 1) -> Host {
        var it = Host(rules: rules.map { RuleRegistry.rule($0)! })
        it.beginWithRAM(type: type)
        return it
    }

    /// Peer-to-peer DMA, and 1 MiB of RAM mapped at IOVA 1 MiB, for the rules that judge calls.
    public static func forLints() -> Host {
        var it = Host.peerToPeer(rules: RuleRegistry.all.filter { $0 is any EventRule })
        it.mapRAM(110, iova: 0x10_0000, size: 0x10_0000)
        return it
    }

    /// Runs a rule's example with all rules, at the tool's own debounce.
    public init(_ history: HostHistory) {
        self.init(debounce: Engine.defaultDebounce)
        if let limit = history.mappingLimit { graph.mappingLimit = limit }
        graph.remapsInterrupts = history.remapsInterrupts
        for event in history.events { apply(event) }
        var found: [Finding] = []
        engine.finish(at: history.end, graph: graph) { found.append($0) }
        findings += found
    }

    /// The rules on who has the device that a mapping leads to, and whether it answers.
    public static let placeRules = RuleRegistry.all.filter {
        ["stale-mapping", "isolation-break", "unbound-device", "cross-container", "memory-disabled"].contains($0.slug)
    }
}
