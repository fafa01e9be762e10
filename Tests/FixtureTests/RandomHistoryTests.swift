// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
import Testing

/// Recordings of the lab's random workload, with the workload's own state at each quiet point
/// beside them (`random.quiet.json`, one line for each). The graph must reach the same state, by
/// events alone and after each snapshot, and agree with a naive model after every event.
@Suite("Random histories of real kernels")
struct RandomHistoryTests {
    static let recordings = Fixtures.all.filter { $0.scenario == "random" }

    @Test func everyKernelOfTheMatrixHasOne() {
        #expect(Self.recordings.map(\.kernel).sorted() == Set(Fixtures.all.map(\.kernel)).sorted())
    }

    @Test(arguments: recordings)
    func theGraphIsTheWorkloadsAtEachQuietPoint(_ fixture: Fixture) throws {
        let points = try fixture.quietPoints()
        try #require(points.count > 10)
        var graph = Graph()
        var next = 0, compared = 0
        // Each quiet point is compared twice: before and after the snapshot that was taken there.
        func compare(upTo time: UInt64) {
            while next < 2 * points.count, points[next / 2].times[next % 2] < time {
                let point = points[next / 2], seen = Account(graph)
                #expect(
                    seen == point.account,
                    Comment(
                        rawValue: "operation \(point.index), \(next % 2 == 0 ? "before" : "after") the snapshot: "
                            + "\(seen.difference(from: point.account))")
                )
                compared += point.account.mappingCount
                next += 1
            }
        }
        try fixture.forEachEvent { event in
            compare(upTo: event.time)
            _ = graph.apply(event)
        }
        compare(upTo: .max)
        #expect(compared > 500)
    }

    @Test(arguments: recordings)
    func theGraphAgreesWithTheNaiveModelAfterEveryEvent(_ fixture: Fixture) throws {
        var graph = Graph()
        var naive = NaiveHistory()
        var wrong = 0, events = 0
        try fixture.forEachEvent { event in
            _ = graph.apply(event)
            naive.apply(event)
            events += 1
            let seen = Account(graph), expected = naive.account
            guard seen != expected, wrong < 3 else { return }
            wrong += 1
            Issue.record("after event \(events), \(event.kind): \(seen.difference(from: expected))")
        }
        #expect(events > 500)
    }
}

struct QuietPoint {
    var index: Int
    /// The time at which the state was still and a snapshot was requested, and the time at which
    /// the snapshot was complete, in nanoseconds since boot.
    var times: [UInt64]
    var account: Account
}

extension Fixture {
    func quietPoints() throws -> [QuietPoint] {
        try bytes(of: "\(scenario).quiet.json").split(separator: 0x0a).map { line in
            let point = try JSONValue(line)
            return QuietPoint(
                index: Int(point["index"].number), times: [point["t_before"].number, point["t_after"].number],
                account: Account(quiet: point))
        }
    }

    func forEachEvent(_ body: (Event) -> Void) throws {
        var decoder = RecordDecoder()
        try bytes().withUnsafeBytes { raw in
            var reader = try RecordingReader(raw, path: "fixture")
            reader.forEach { record, count in
                guard let event = decoder.decode(record, count: count) else { return }
                body(event)
            }
        }
    }
}
