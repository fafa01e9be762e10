import Events
import Findings
import Testing

@testable import MappingGraph

/// Graph and rules fed with events alone, or with plain records wherever a record is one.
private struct Feed: ~Copyable {
    var graph = Graph()
    var engine = Engine()
    var decoder = RecordDecoder()
    var findings: [String] = []
    var shortWays = 0
    let takesShortWay: Bool

    init(takesShortWay: Bool) {
        self.takesShortWay = takesShortWay
        // Low enough that ordinary histories pass it, both ways.
        graph.mappingLimit = 16
    }

    mutating func take(_ record: UnsafeRawPointer, _ count: Int) {
        var said: [Finding] = []
        if takesShortWay, let plain = decoder.plain(record, count: count) {
            engine.advance(to: plain.time, graph: graph) { said.append($0) }
            if let change = graph.apply(plain) {
                engine.apply(plain, change: change, graph: graph) { said.append($0) }
                shortWays += 1
                return note(said)
            }
        }
        decoder.decode(record, count: count) { event in
            engine.advance(to: event.time, graph: graph) { said.append($0) }
            let applied = graph.apply(event)
            engine.apply(event, applied: applied, graph: graph) { said.append($0) }
        }
        note(said)
    }

    private mutating func note(_ said: [Finding]) {
        findings += said.map { "\($0.time) f\($0.id) \($0.rule) \($0.severity.name) \($0.state) \($0.message)" }
    }

    /// All that the short way writes.
    var state: String {
        func bytes<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
        var lines = [
            "\(graph.lastRequest) \(graph.lastTargets.count) \(graph.lastRemoved.count) \(bytes(graph.recentRemovals))"
        ]
        for container in graph.containers {
            lines.append(
                "\(container.id) \(graph.slots[Int(container.id.number) - 1].bytes) "
                    + "\(bytes(graph.slots[Int(container.id.number) - 1].growth))"
            )
            lines += graph.mappings(in: container.id).map { "\($0)" }
        }
        for (actor, memory) in zip(graph.actors.actors, graph.actors.memory) {
            lines.append("\(actor.process.pid) \(memory.bytes) \(memory.nearIn) \(bytes(memory.growth))")
        }
        return lines.joined(separator: "\n")
    }
}

/// The short way for plain records against the long one, on what real kernels reported.
@Suite("Plain records")
struct PlainRecordTests {
    @Test(arguments: Fixtures.all)
    func meanWhatTheirEventsMean(_ fixture: Fixture) throws {
        let bytes = try fixture.bytes()
        var short = Feed(takesShortWay: true), long = Feed(takesShortWay: false)
        var number = 0
        try bytes.withUnsafeBytes { raw in
            var reader = try RecordingReader(raw, path: "fixture")
            reader.forEach { record, count in
                short.take(record, count)
                long.take(record, count)
                number += 1
                if number % 997 == 0 { #expect(short.state == long.state, "after record \(number)") }
            }
        }
        #expect(short.state == long.state)
        #expect(short.findings == long.findings)
        // Whoever maps RAM does so plainly.
        if fixture.scenario.hasPrefix("random") {
            #expect(short.shortWays > number / 20, "\(short.shortWays) of \(number)")
        }
    }
}
