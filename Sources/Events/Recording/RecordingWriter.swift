// SPDX-License-Identifier: Apache-2.0
import CRecords

#if canImport(Glibc)
import Glibc
#endif

/// Writes a recording block by block. Whatever happens to the tool, all blocks except the last can
/// be read.
///
/// Not thread-safe. Errors: `RecordingError.cannotWrite` with the errno of the first write that
/// failed; later calls throw it again.
public final class RecordingWriter {
    private let descriptor: Int32
    private let path: String
    private var encoder = RecordEncoder()
    private var failure: RecordingError?
    public private(set) var bytesWritten: UInt64 = 0

    /// A block is written when it has this many bytes of packed records.
    private let blockBytes = 256 << 10

    /// Takes ownership of an open descriptor. `path` is for messages.
    public init(descriptor: Int32, path: String) throws(RecordingError) {
        self.descriptor = descriptor
        self.path = path
        try write(RecordingFormat.fileHeader())
    }

    deinit { encoder.deallocate() }

    /// Adds the facts about the machine. The last session in a recording applies.
    public func append(_ session: Session) throws(RecordingError) {
        try flush()
        try writeBlock(.session, payload: session.keyedLines.bytes, records: 0)
    }

    /// Adds one record of `count` bytes, and writes the block if it is full. O(count).
    public func append(_ record: UnsafeRawPointer, count: Int) throws(RecordingError) {
        let words = count >> 3
        guard words <= RecordPredictor.maxWords else { return }
        encoder.append(record, words: words)
        if encoder.bytes.count >= blockBytes { try flush() }
    }

    /// Writes the records that are waiting, if any.
    public func flush() throws(RecordingError) {
        guard encoder.count > 0 else { return }
        defer { encoder.reset() }
        try writeBlock(.records, payload: encoder.bytes, records: encoder.count)
    }

    /// Ends the recording. Without this block a reader reports that the recording was cut short.
    public func finish(_ evidence: Evidence) throws(RecordingError) {
        try flush()
        try writeBlock(.end, payload: evidence.keyedLines.bytes, records: 0)
    }

    private func writeBlock(_ kind: RecordingFormat.BlockKind, payload: [UInt8], records: UInt32) throws(RecordingError)
    {
        try write(RecordingFormat.blockHeader(kind, payload: payload, records: records) + payload)
    }

    private func write(_ bytes: [UInt8]) throws(RecordingError) {
        if let failure { throw failure }
        var offset = 0
        while offset < bytes.count {
            let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + offset, $0.count - offset) }
            if written < 0 {
                if errno == EINTR { continue }
                let error = RecordingError.cannotWrite(path: path, errno: errno)
                failure = error
                throw error
            }
            offset += written
        }
        bytesWritten += UInt64(bytes.count)
    }
}

public enum RecordingError: Error, Equatable {
    case cannotOpen(path: String, errno: Int32)
    case cannotRead(path: String, errno: Int32)
    case cannotWrite(path: String, errno: Int32)
    case empty(path: String)
    case notARecording(path: String)
    case newerVersion(path: String, version: UInt32)
}

extension RecordingError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .cannotOpen(let path, let code): "cannot open \(path): \(String(cString: strerror(code)))"
        case .cannotRead(let path, let code): "cannot read \(path): \(String(cString: strerror(code)))"
        case .cannotWrite(let path, let code): "cannot write to \(path): \(String(cString: strerror(code)))"
        case .empty(let path):
            "\(path) is empty: the tool was stopped before it wrote anything, or this is the wrong file"
        case .notARecording(let path): "\(path) is neither a vfioscope recording nor a JSON timeline"
        case .newerVersion(let path, let version):
            "\(path) has recording format \(version), and this vfioscope reads format \(RecordingFormat.version): use "
                + "the version that recorded it, or a newer one"
        }
    }
}
