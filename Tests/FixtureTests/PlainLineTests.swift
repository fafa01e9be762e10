import Events
import Findings
import MappingGraph
import Outputs
import Testing

/// What a format writes of plain records against what it writes of their events, on what real
/// kernels reported.
@Suite("Lines of plain records")
struct PlainLineTests {
    @Test(arguments: Fixtures.all, ["jsonl", "text"])
    func areThoseOfTheirEvents(_ fixture: Fixture, _ format: String) throws {
        for showVaddr in [false, true] {
            let short = try lines(fixture, format, showVaddr, takesShortWay: true),
                long = try lines(fixture, format, showVaddr, takesShortWay: false)
            #expect(short == long)
        }
    }

    private func lines(_ fixture: Fixture, _ format: String, _ showVaddr: Bool, takesShortWay: Bool) throws -> [UInt8] {
        let bytes = try fixture.bytes()
        var output = try #require(FormatRegistry.stream(format, OutputOptions(showVaddr: showVaddr)))
        return try bytes.withUnsafeBytes { raw in
            var reader = try RecordingReader(raw, path: "fixture")
            return ByteWriter.gather { out in
                var graph = Graph()
                var engine = Engine()
                var decoder = RecordDecoder()
                if let session = reader.session { output.begin(session, devices: [], into: &out) }
                reader.forEach { record, count in
                    if takesShortWay, let plain = decoder.plain(record, count: count) {
                        engine.advance(to: plain.time, graph: graph) { output.finding($0, graph: graph, into: &out) }
                        if let change = graph.apply(plain) {
                            output.plain(plain, PlainRecord.Details(plain, at: record), graph: graph, into: &out)
                            return engine.apply(plain, change: change, graph: graph) {
                                output.finding($0, graph: graph, into: &out)
                            }
                        }
                    }
                    decoder.decode(record, count: count) { event in
                        engine.advance(to: event.time, graph: graph) { output.finding($0, graph: graph, into: &out) }
                        let applied = graph.apply(event)
                        output.event(event, applied: applied, graph: graph, into: &out)
                        engine.apply(event, applied: applied, graph: graph) {
                            output.finding($0, graph: graph, into: &out)
                        }
                    }
                }
                output.end(reader.evidence, graph: graph, into: &out)
            }
        }
    }
}
