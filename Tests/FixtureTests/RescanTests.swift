import Events
@testable import MappingGraph
import Testing

@testable import Findings

/// What the engine holds because it was told of each change, against what an engine finds that
/// looks at everything for the first time.
@Suite("A full re-scan")
struct RescanTests {
    /// Those two end lower than they begin: whether one holds in between depends on what was.
    private static let lasting: Set<String> = ["mapping-budget", "memlock-budget"]

    @Test(arguments: Fixtures.all)
    func findsWhatTheEngineHolds(_ fixture: Fixture) throws {
        let bytes = try fixture.bytes()
        var graph = Graph(), engine = Engine(), decoder = RecordDecoder()
        var number = 0, compared = 0
        try bytes.withUnsafeBytes { raw in
            var reader = try RecordingReader(raw, path: "fixture")
            reader.forEach { record, count in
                decoder.decode(record, count: count) { event in
                    engine.advance(to: event.time, graph: graph) { _ in }
                    let applied = graph.apply(event)
                    engine.apply(event, applied: applied, graph: graph) { _ in }
                    number += 1
                    // A snapshot under way is neither the one state nor the other.
                    guard number % 7 == 0 || applied.affects != .nothing, graph.walk == nil, graph.snapshot == nil
                    else { return }
                    let held = conditions(engine), found = conditions(rescan(graph, at: event.time))
                    #expect(
                        held.subtracting(Self.budgets(held)) == found.subtracting(Self.budgets(found)),
                        "after event \(number), \(event.kind)")
                    compared += held.count
                }
            }
        }
        // A scenario that is about a condition shows one here.
        if fixture.scenario.hasPrefix("stale") { #expect(compared > 0) }
    }

    private func rescan(_ graph: borrowing Graph, at time: UInt64) -> Engine {
        var engine = Engine()
        var applied = Applied()
        applied.affects = .everything
        applied.containerChange = .state
        engine.apply(Event(time: time, kind: .processExit), applied: applied, graph: graph) { _ in }
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
