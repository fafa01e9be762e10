// SPDX-License-Identifier: Apache-2.0
import CRecords
import Events
import Glibc

/// A span of time that becomes a recording of its own. Nanoseconds since boot, both ends inclusive.
struct Span {
    var name: String
    var begin: UInt64
    var end: UInt64
}

/// Writes one slice: the session, the devices as they were, the records of the span, an end block.
struct Slice {
    let span: Span
    /// Records that the kernel made.
    private(set) var delivered: UInt64 = 0
    private(set) var lost: UInt64 = 0

    private let writer: RecordingWriter
    private let descriptor: Int32
    private var introduced: Set<ProcessKey> = []

    init(_ span: Span, session: Session, background: Background, in directory: String) throws {
        self.span = span
        let path = "\(directory)/\(span.name).vfs"
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw RecordingError.cannotOpen(path: path, errno: errno) }
        writer = try RecordingWriter(descriptor: descriptor, path: path)
        var session = session
        session.began = span.begin
        try writer.append(session)
        for var device in background.devices {
            device.h.time = span.begin
            try withUnsafeBytes(of: &device) { try writer.append($0.baseAddress!, count: $0.count) }
        }
    }

    /// Adds a record, behind its process's introduction if that came before the span.
    mutating func append(_ record: UnsafeRawPointer, _ count: Int, _ background: Background) throws {
        let process = ProcessKey(at: record)
        let type = vs_type(UInt32(record.load(as: vs_header.self).type))
        if introduced.insert(process).inserted, type != VS_PROCESS_INFO,
            let info = background.introduction(of: process)
        {
            try info.withUnsafeBytes { bytes in
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
                defer { copy.deallocate() }
                copy.copyMemory(from: bytes)
                let header = copy.baseAddress!.assumingMemoryBound(to: vs_header.self)
                header.pointee.time = record.load(as: vs_header.self).time
                try writer.append(copy.baseAddress!, count: copy.count)
            }
        }
        switch type {
        case VS_LOSS: lost += record.load(as: vs_loss.self).lost
        case VS_PROCESS_INFO: break
        default: delivered += 1
        }
        try writer.append(record, count: count)
    }

    /// Ends the slice. A hole in the whole recording is one in each slice.
    func finish(defects: [String]) throws {
        let evidence = Evidence(
            attempted: delivered + lost, delivered: delivered, lost: lost, ended: span.end, defects: defects)
        try writer.finish(evidence)
        close(descriptor)
    }
}
