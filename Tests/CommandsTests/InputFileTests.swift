// SPDX-License-Identifier: Apache-2.0
import Events
import Outputs
import Testing

@testable import Commands

/// The first bytes decide between a recording and a timeline. Anything else is an error.
@Suite("Input files")
struct InputFileTests {
    private let timeline = """
        {"type":"header","schema":"vfioscope.timeline/1","t":5,"hooks":[],"devices":[],"clock_offset":1000}
        {"type":"container","action":"open","t":7,"container":"c1"}
        {"type":"container","action":"open","t":9,"container":"c2"}
        {"type":"summary","t":99,"attempted":2,"delivered":2,"lost":0}

        """

    private func feed(_ text: String, until moment: MomentArgument? = nil) throws -> (containers: Int, ended: UInt64) {
        let file = try TemporaryFile(Array(text.utf8))
        let input = try InputFile(file.path)
        defer { input.unmap() }
        var pipeline = AnalysisPipeline(observer: Analysis())
        let (session, evidence) = try input.feed(&pipeline, until: moment)
        #expect(session?.clockOffset == 1000)
        return (pipeline.graph.containers.count, evidence.ended)
    }

    private func failure(_ text: String) -> Failure? {
        do {
            _ = try feed(text)
            return nil
        } catch { return error as? Failure }
    }

    @Test func aTimelineIsFed() throws {
        let fed = try feed(timeline)
        #expect(fed.containers == 2 && fed.ended == 99)
    }

    @Test(arguments: [MomentArgument.sinceBoot(8), .sinceBegin(3), .unix(1008)])
    func aMomentLeavesOutWhatCameLater(_ moment: MomentArgument) throws {
        let fed = try feed(timeline, until: moment)
        #expect(fed.containers == 1 && fed.ended == 8)
    }

    @Test func anythingElseIsAnError() {
        #expect(failure("")?.status == .cannot)
        #expect(failure("hello\n")?.message.contains("/tmp/vfioscope-") == true)
        #expect(failure("{\"type\":\"header\",\"schema\":\"vfioscope.timeline/2\"}\n")?.status == .cannot)
    }

    @Test func aMissingFileIsNamed() {
        #expect {
            _ = try InputFile("/nonexistent/host.vfs")
        } throws: { "\($0)".contains("/nonexistent/host.vfs") }
    }
}
