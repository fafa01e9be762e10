// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Commands

/// Tests that sinks wait for their turn and keep their first failure.
@Suite("Output sinks")
struct OutputSinkTests {
    /// The two ends of a pipe.
    private func pipeEnds() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    private func contents(_ descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = max(0, read(descriptor, &bytes, bytes.count))
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    @Test func bytesWaitForTheirTurn() throws {
        let (reading, writing) = try pipeEnds()
        defer { close(reading) }
        var turns = 0
        let sink = OutputSink(writing, name: "pipe") { turns += 1 }
        sink.write("one ")
        sink.write("two")
        #expect(turns == 0)
        try sink.finish()
        close(writing)
        #expect(turns == 1 && contents(reading) == "one two")
    }

    @Test func theFirstFailureIsKept() throws {
        let (reading, writing) = try pipeEnds()
        signal(SIGPIPE, SIG_IGN)
        close(reading)
        let sink = OutputSink(writing, name: "pipe")
        var failures: [String] = []
        sink.onFailure = { failures.append($0.message) }
        sink.write("a")
        sink.write("b")
        close(writing)
        #expect(failures == ["pipe was closed by its reader"])
        #expect { try sink.finish() } throws: { ($0 as? Failure)?.status == .cannot }
    }

    @Test func aFileThatCannotBeCreatedIsAnError() {
        #expect {
            _ = try OutputSink(path: "/nonexistent/file")
        } throws: { ($0 as? Failure)?.message.contains("/nonexistent/file") == true }
    }
}
