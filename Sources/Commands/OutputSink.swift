// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Outputs
import Pipeline

/// Writes lines to a descriptor. The first failure to write is kept and reported once; nothing is
/// written after it.
package final class OutputSink {
    private let descriptor: Int32
    private let name: String
    private var failure: Failure?
    /// Bytes that wait for this sink's turn.
    private var held: [UInt8] = []
    /// Waits for the turn; nil once it has come.
    private var awaitTurn: (() -> Void)?
    /// The most bytes that are held.
    private let room = 1 << 20
    /// Called when a write fails, so that a live command can stop.
    package var onFailure: (Failure) -> Void = { _ in }

    /// - Parameter awaitTurn: returns when all sinks before this one have finished. Until then
    ///   bytes are held, up to a mebibyte. nil writes at once.
    package init(_ descriptor: Int32, name: String, awaitTurn: (() -> Void)? = nil) {
        self.descriptor = descriptor
        self.name = name
        self.awaitTurn = awaitTurn
    }

    /// Creates `path`, replacing an existing file; `-` is stdout.
    package convenience init(path: String) throws {
        if path == "-" {
            self.init(STDOUT_FILENO, name: "stdout")
            return
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw Failure(.cannot, RecordingError.cannotOpen(path: path, errno: errno).description)
        }
        self.init(descriptor, name: path)
    }

    package func write(_ bytes: UnsafeRawBufferPointer) {
        if awaitTurn != nil {
            if held.count + bytes.count <= room { return held.append(contentsOf: bytes) }
            flushAtTurn()
        }
        writeNow(bytes)
    }

    /// Waits for the turn, if necessary, and writes the held bytes.
    package func flushAtTurn() {
        guard let wait = awaitTurn else { return }
        wait()
        awaitTurn = nil
        held.withUnsafeBytes { writeNow($0) }
        held = []
    }

    private func writeNow(_ bytes: UnsafeRawBufferPointer) {
        guard failure == nil, let code = writeAll(bytes, to: descriptor) else { return }
        let reason = code == EPIPE ? "\(name) was closed by its reader" : "cannot write to \(name): \(describe(code))"
        failure = Failure(.cannot, reason)
        onFailure(failure!)
    }

    package func write(_ text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    /// Writes the present graph as a picture.
    ///
    /// - Parameter time: the time that the picture shows, nanoseconds since boot.
    package func write(
        _ picture: any GraphOutput, of pipeline: borrowing AnalysisPipeline, at time: UInt64, session: Session?
    ) {
        var out = ByteWriter { self.write($0) }
        picture.write(
            pipeline.graph, findings: pipeline.engine.openFindings, at: time, session: session ?? .unknown, into: &out)
        out.flush()
    }

    package var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Throws the failure, if there was one.
    package func finish() throws {
        flushAtTurn()
        if let failure { throw failure }
    }
}
