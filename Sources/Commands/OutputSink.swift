import Events
import Glibc
import Outputs
import Pipeline

/// A descriptor that lines go to. The first write that fails is kept and told once; after it
/// nothing more is written.
package final class OutputSink {
    private let descriptor: Int32
    private let name: String
    private var failure: Failure?
    /// What waits for its turn, and the way to wait for it; no way once it has come.
    private var held: [UInt8] = []
    private var awaitTurn: (() -> Void)?
    /// Bytes that are held at most.
    private let room = 1 << 20
    /// Called when a write fails, so that a live command can stop.
    package var onFailure: (Failure) -> Void = { _ in }

    /// - Parameter awaitTurn: returns when nobody else writes to the descriptor any more. What is
    ///   written before is held, up to a mebibyte.
    package init(_ descriptor: Int32, name: String, awaitTurn: (() -> Void)? = nil) {
        self.descriptor = descriptor
        self.name = name
        self.awaitTurn = awaitTurn
    }

    /// Creates `path`, replacing what is there; `-` is stdout.
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
            takeTurn()
        }
        put(bytes)
    }

    /// Waits for the turn, if there is one to wait for, and writes what was held.
    package func takeTurn() {
        guard let wait = awaitTurn else { return }
        wait()
        awaitTurn = nil
        held.withUnsafeBytes { put($0) }
        held = []
    }

    private func put(_ bytes: UnsafeRawBufferPointer) {
        guard failure == nil, let code = writeAll(bytes, to: descriptor) else { return }
        let reason = code == EPIPE ? "\(name) was closed by its reader" : "cannot write \(name): \(describe(code))"
        failure = Failure(.cannot, reason)
        onFailure(failure!)
    }

    package func write(_ text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    /// Writes the graph as it stands.
    ///
    /// - Parameter time: the moment, nanoseconds since boot.
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
        takeTurn()
        if let failure { throw failure }
    }
}
