// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Creates `path` for a recording, replacing an existing file; `-` is stdout.
///
/// - Throws: `Failure` with exit status 3.
package func openRecording(_ path: String) throws -> RecordingWriter {
    let descriptor = path == "-" ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
        throw Failure(.cannot, RecordingError.cannotOpen(path: path, errno: errno).description)
    }
    do { return try RecordingWriter(descriptor: descriptor, path: path == "-" ? "stdout" : path) } catch {
        throw Failure(.cannot, error.description)
    }
}
