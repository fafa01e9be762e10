// SPDX-License-Identifier: Apache-2.0
import Events
@testable import MappingGraph
import Pipeline
import Testing

@testable import Findings

/// Compares the findings of the engine, which follows each change, with those of a new engine that
/// judges the whole graph at once.
@Suite("A full re-scan")
struct RescanTests {
    /// These two rules end at a lower mark than they begin at. Between the marks, whether one holds
    /// depends on the past.
    private static let lasting: Set<String> = ["mapping-budget", "memlock-budget"]

    @Test(arguments: Fixtures.all)
    func findsWhatTheEngineHolds(_ fixture: Fixture) throws {
        let bytes = try fixture.bytes()
        var pipeline = Pipeline(observer: LatestEvent())
        var seen = 0, compared = 0
        try bytes.withUnsafeBytes { raw in
            var reader = try RecordingReader(raw, path: "fixture")
            reader.forEach { record, count in
                pipeline.consume(record, count: count)
                let number = pipeline.observer.count
                guard number > seen else { return }
                seen = number
                // During a snapshot the graph is in neither the old nor the new state.
                guard number % 7 == 0 || pipeline.observer.affectsMappings, pipeline.graph.walk == nil,
                    pipeline.graph.snapshot == nil
                else { return }
                let held = conditions(pipeline.engine)
                let found = conditions(rescan(pipeline.graph, at: pipeline.lastTime))
                #expect(
                    held.subtracting(Self.budgets(held)) == found.subtracting(Self.budgets(found)),
                    "after event \(number)")
                compared += held.count
            }
        }
        // A scenario about a condition must show at least one here.
        if fixture.scenario.hasPrefix("stale") { #expect(compared > 0) }
    }

    private func rescan(_ graph: borrowing Graph, at time: UInt64) -> Engine {
        var engine = Engine()
        var applied = Applied()
        applied.affects = .everything
        applied.containerChange = .state
        engine.apply(at: time, applied: applied, graph: graph) {
            Event(time: time, kind: .processExit)
        } emit: { _ in
        }
        return engine
    }

    private func conditions(_ engine: Engine) -> Set<String> {
        Set(
            engine.tracks.flatMap { subject, tracks in
                tracks.map {
                    "\(subject) \($0.target) \(engine.rules[$0.rule].slug) \($0.verdict.severity.name) "
                        + "\(String(describing: $0.verdict.reachable))"
                }
            })
    }

    private static func budgets(_ conditions: Set<String>) -> Set<String> {
        conditions.filter { condition in lasting.contains { condition.contains(" \($0) ") } }
    }
}

/// Counts events, and keeps what the latest one changed.
private struct LatestEvent: PipelineObserver {
    private(set) var count = 0
    private(set) var affectsMappings = false

    mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) {
        count += 1
        affectsMappings = applied.affects != .nothing
    }

    mutating func ordinary(
        _ record: OrdinaryRecord, details: () -> OrdinaryRecord.Details, applied: borrowing Applied,
        graph: borrowing Graph
    ) {
        count += 1
        affectsMappings = applied.affects != .nothing
    }
}
