// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Pipeline

/// Reads a recording or a JSON timeline, from a file or stdin (`-`), and feeds it to a pipeline.
package struct InputFile {
    package let path: String
    private let bytes: UnsafeRawBufferPointer
    private let mapped: Bool

    /// - Throws: `Failure` with exit status 3 if the file cannot be read.
    package init(_ path: String) throws {
        self.path = path == "-" ? "stdin" : path
        if path == "-" {
            bytes = try Self.readAll(STDIN_FILENO, path: "stdin")
            mapped = false
            return
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(.cannot, RecordingError.cannotOpen(path: path, errno: errno).description)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw Failure(.cannot, RecordingError.cannotRead(path: path, errno: errno).description)
        }
        if status.st_mode & S_IFMT == S_IFREG, status.st_size > 0,
            let base = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED
        {
            bytes = UnsafeRawBufferPointer(start: base, count: Int(status.st_size))
            mapped = true
        } else {
            bytes = try Self.readAll(descriptor, path: path)
            mapped = false
        }
    }

    package func unmap() {
        if mapped {
            munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
        } else {
            bytes.deallocate()
        }
    }

    /// Feeds all events up to `moment`, inclusive, to the pipeline. Returns the session and the
    /// evidence.
    ///
    /// - Throws: `Failure` with exit status 3 if the file is empty, damaged, or neither a recording
    ///   nor a timeline.
    package func feed(_ pipeline: inout AnalysisPipeline, until moment: MomentArgument? = nil) throws -> (
        session: Session?, evidence: Evidence
    ) {
        guard bytes.count > 0 else { throw Failure(.cannot, RecordingError.empty(path: path).description) }
        if RecordingReader.looksLikeRecording(bytes) {
            do throws(RecordingError) {
                var producer = try RecordingProducer(bytes, path: path)
                return try Self.feed(&producer, &pipeline, moment)
            } catch { throw Failure(.cannot, error.description) }
        }
        guard TimelineReader.looksLikeTimeline(bytes) else {
            throw Failure(.cannot, RecordingError.notARecording(path: path).description)
        }
        do throws(TimelineError) {
            var producer = try TimelineProducer(bytes)
            return try Self.feed(&producer, &pipeline, moment)
        } catch { throw Failure(.cannot, "\(path): \(error.description)") }
    }

    private static func feed<Source: Producer>(
        _ producer: inout Source, _ pipeline: inout AnalysisPipeline, _ moment: MomentArgument?
    ) throws(Source.ProducerError) -> (session: Session?, evidence: Evidence) {
        let began = producer.session?.began ?? 0, clockOffset = producer.session?.clockOffset ?? 0
        let limit = moment?.sinceBoot(began: began, clockOffset: clockOffset) ?? .max
        let evidence = try producer.produce(into: &pipeline, until: limit)
        return (producer.session, evidence)
    }

    private static func readAll(_ descriptor: Int32, path: String) throws -> UnsafeRawBufferPointer {
        var capacity = 1 << 20
        var count = 0
        var buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        while true {
            if count == capacity {
                let bigger = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 16)
                bigger.copyMemory(from: buffer, byteCount: count)
                buffer.deallocate()
                buffer = bigger
                capacity *= 2
            }
            let got = read(descriptor, buffer + count, capacity - count)
            if got < 0 {
                if errno == EINTR { continue }
                let code = errno
                buffer.deallocate()
                throw Failure(.cannot, RecordingError.cannotRead(path: path, errno: code).description)
            }
            if got == 0 { break }
            count += got
        }
        return UnsafeRawBufferPointer(start: buffer, count: count)
    }
}
