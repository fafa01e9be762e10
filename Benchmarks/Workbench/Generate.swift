// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// `generate SHAPE EVENTS LIVE FILE`: writes a recording of a generated history.
func generate(_ history: History, to path: String) throws -> Figures {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw RecordingError.cannotOpen(path: path, errno: errno) }
    defer { close(descriptor) }
    let writer = try RecordingWriter(descriptor: descriptor, path: path)
    try writer.append(
        Session(
            toolVersion: "bench", kernel: "6.12.0", machine: "x86_64", bootID: "0e5f1c2a-6b1d-4c57-9e55-3d1f6a1b2c3d",
            clockOffset: 1_700_000_000_000_000_000, began: 999_000_000_000, hooks: [], remapsInterrupts: true,
            allowsUnsafeInterrupts: false))
    var failure: RecordingError?
    var bytes = 0
    let maker = history.make { record, count in
        bytes += count
        do throws(RecordingError) { try writer.append(record, count: count) } catch { failure = error }
    }
    if let failure { throw failure }
    try writer.finish(Evidence(attempted: maker.count, delivered: maker.count, ended: maker.time))
    return [
        ("events", Double(maker.count)), ("bytes", Double(writer.bytesWritten)), ("record_bytes", Double(bytes)),
        ("bytes_per_event", Double(writer.bytesWritten) / Double(maker.count)),
    ]
}
