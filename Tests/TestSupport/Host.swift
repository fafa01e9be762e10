// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Pipeline
import Policies

/// A pipeline like the tool's, with the findings that it has reported. Times are nanoseconds. A
/// debounce of 500 keeps tests readable.
public struct Host: ~Copyable, HistoryBuilder {
    public var pipeline: Pipeline<FindingCollector>
    /// The events so far, for a replay.
    public var history: [Event] = []

    public init(rules: [any Rule] = RuleRegistry.all, debounce: UInt64 = 500) {
        pipeline = Pipeline(observer: FindingCollector(), engine: Engine(rules: rules, debounce: debounce))
    }

    public var graph: Graph {
        _read { yield pipeline.graph }
        _modify { yield &pipeline.graph }
    }

    public var engine: Engine {
        _read { yield pipeline.engine }
        _modify { yield &pipeline.engine }
    }

    public var findings: [Finding] {
        _read { yield pipeline.observer.findings }
        _modify { yield &pipeline.observer.findings }
    }

    public mutating func apply(_ event: Event) {
        history.append(event)
        pipeline.consume(event)
    }

    public mutating func at(_ time: UInt64, _ kind: Event.Kind, by actor: Actor) {
        apply(Event(time: time, actor: actor, kind: kind))
    }

    public mutating func advance(to time: UInt64) { pipeline.advance(to: time) }

    /// The findings as `rule severity state`, in order.
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

    /// Peer-to-peer DMA, and 1 MiB of RAM mapped at IOVA 1 MiB, for the rules that judge requests.
    public static func forLints() -> Host {
        var it = Host.peerToPeer(rules: RuleRegistry.all.filter { $0 is any EventRule })
        it.mapRAM(110, iova: 0x10_0000, size: 0x10_0000)
        return it
    }

    /// Runs a rule's example with all rules and the tool's own debounce.
    public init(_ history: HostHistory) {
        self.init(debounce: Engine.defaultDebounce)
        if let limit = history.mappingLimit { graph.mappingLimit = limit }
        graph.remapsInterrupts = history.remapsInterrupts
        for event in history.events { apply(event) }
        pipeline.advance(to: history.end)
    }

    /// The rules on the owner of the device that a mapping leads to, and on whether the device
    /// answers.
    public static let placeRules = RuleRegistry.all.filter {
        ["stale-mapping", "isolation-break", "unbound-device", "cross-container", "memory-disabled"].contains($0.slug)
    }
}

/// Keeps every finding that a pipeline reports.
public struct FindingCollector: PipelineObserver {
    public var findings: [Finding] = []

    public init() {}

    public mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) { findings.append(judged.finding) }
}
