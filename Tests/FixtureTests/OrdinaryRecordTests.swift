// SPDX-License-Identifier: Apache-2.0
import Events
import Outputs
@testable import Pipeline
import Policies
import TestSupport
import Testing

@testable import MappingGraph

/// Compares the short way of ordinary records with the long way of their events, on recordings of
/// real kernels. Graph, findings and lines must be the same.
@Suite("Ordinary records")
struct OrdinaryRecordTests {
    @Test(arguments: Fixtures.all)
    func leadToTheStateAndFindingsOfTheirEvents(_ fixture: Fixture) throws {
        let bytes = try fixture.bytes()
        var short = Pipeline(observer: FindingLog()), long = Pipeline(observer: FindingLog())
        // Low enough that ordinary histories cross it in both directions.
        short.graph.mappingLimit = 16
        long.graph.mappingLimit = 16
        var decoder = RecordDecoder()
        var number = 0
        try bytes.withUnsafeBytes { raw in
            var reader = try RecordingReader(raw, path: "fixture")
            reader.forEach { record, count in
                short.consume(record, count: count)
                if let event = decoder.decode(record, count: count) { long.consume(event) }
                number += 1
                if number % 997 == 0 { #expect(state(short.graph) == state(long.graph), "after record \(number)") }
            }
        }
        #expect(state(short.graph) == state(long.graph))
        #expect(short.observer.findings == long.observer.findings)
        #expect(long.observer.ordinary == 0)
        // Every process that maps RAM does so by ordinary records.
        if fixture.scenario.hasPrefix("random") {
            #expect(short.observer.ordinary > number / 20, "\(short.observer.ordinary) of \(number)")
        }
    }

    @Test(arguments: Fixtures.all, ["jsonl", "text"])
    func areWrittenAsTheirEvents(_ fixture: Fixture, _ format: String) throws {
        for showVaddr in [false, true] {
            let short = try lines(fixture, format, showVaddr, takesShortWay: true)
            let long = try lines(fixture, format, showVaddr, takesShortWay: false)
            #expect(short == long)
        }
    }

    private func lines(_ fixture: Fixture, _ format: String, _ showVaddr: Bool, takesShortWay: Bool) throws -> [UInt8] {
        let bytes = try fixture.bytes()
        let output = try #require(FormatRegistry.stream(format, OutputOptions(showVaddr: showVaddr)))
        let buffer = ByteBuffer()
        try bytes.withUnsafeBytes { raw in
            var pipeline = Pipeline(observer: LineWriter(output, to: buffer.append))
            if takesShortWay {
                var producer = try RecordingProducer(raw, path: "fixture")
                pipeline.finish(try producer.produce(into: &pipeline, until: .max))
                return
            }
            var reader = try RecordingReader(raw, path: "fixture")
            var decoder = RecordDecoder()
            if let session = reader.session { pipeline.begin(session) }
            reader.forEach { record, count in
                if let event = decoder.decode(record, count: count) { pipeline.consume(event) }
            }
            pipeline.finish(reader.evidence)
        }
        return buffer.bytes
    }

    /// All state that the short way changes.
    private func state(_ graph: borrowing Graph) -> String {
        func bytes<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
        var lines = ["\(bytes(graph.recentRemovals))"]
        for container in graph.containers {
            let slot = graph.slots[Int(container.id.number) - 1]
            lines.append("\(container.id) \(slot.bytes) \(bytes(slot.growth))")
            lines += graph.mappings(in: container.id).map { "\($0)" }
        }
        for (actor, memory) in zip(graph.actors.actors, graph.actors.memory) {
            lines.append("\(actor.process.pid) \(memory.bytes) \(memory.nearIn) \(bytes(memory.growth))")
        }
        return lines.joined(separator: "\n")
    }
}

/// Collects findings as text, and counts the records that took the short way.
private struct FindingLog: PipelineObserver {
    private(set) var findings: [String] = []
    private(set) var ordinary = 0

    mutating func ordinary(
        _ record: OrdinaryRecord, details: () -> OrdinaryRecord.Details, applied: borrowing Applied,
        graph: borrowing Graph
    ) {
        if applied.isOrdinary { ordinary += 1 }
    }

    mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) {
        let finding = judged.finding
        findings.append(
            "\(finding.time) f\(finding.id) \(finding.rule) \(finding.severity.name) \(finding.state) "
                + finding.message)
    }
}
