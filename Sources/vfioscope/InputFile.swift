import Events
import Glibc

/// A recording or a JSON timeline, from a file or from stdin (`-`), fed to an analysis.
struct InputFile {
    let path: String
    private let bytes: UnsafeRawBufferPointer
    private let mapped: Bool

    /// - Throws: `Failure` with exit status 3 when it cannot be read, or is neither.
    init(_ path: String) throws {
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

    func unmap() {
        if mapped {
            munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
        } else {
            bytes.deallocate()
        }
    }

    /// Feeds everything to `analysis`; gives how complete it was. Stops at the events after
    /// `limit`, if one is given.
    func feed(_ analysis: Analysis, until moment: MomentArgument? = nil) throws -> (
        session: Session?, evidence: Evidence
    ) {
        guard bytes.count > 0 else { throw Failure(.cannot, RecordingError.empty(path: path).description) }
        if RecordingReader.looksLikeRecording(bytes) { return try feedRecording(analysis, until: moment) }
        if TimelineReader.looksLikeTimeline(bytes) { return try feedTimeline(analysis, until: moment) }
        throw Failure(.cannot, RecordingError.notARecording(path: path).description)
    }

    private func feedRecording(_ analysis: Analysis, until moment: MomentArgument?) throws -> (Session?, Evidence) {
        do throws(RecordingError) {
            var reader = try RecordingReader(bytes, path: path)
            let limit = limit(moment, reader.session)
            if let session = reader.session { analysis.begin(session) }
            var decoder = RecordDecoder()
            reader.forEach { record, count in
                analysis.consume(record, count: count, &decoder, until: limit)
            }
            var evidence = reader.evidence
            if reader.session == nil {
                evidence.defects.append("the recording has no session block: kernel, clock and hooks are not known")
            }
            if decoder.unknownRecords > 0 {
                evidence.defects.append(
                    "\(decoder.unknownRecords) records are of a type that this version does not know")
            }
            if limit < .max { evidence.ended = limit }
            return (reader.session, evidence)
        } catch { throw Failure(.cannot, error.description) }
    }

    private func feedTimeline(_ analysis: Analysis, until moment: MomentArgument?) throws -> (Session?, Evidence) {
        do throws(TimelineError) {
            var reader = TimelineReader()
            // The first line that is not blank is the header, and no event.
            var begin = 0
            while reader.session == nil, begin < bytes.count {
                let end = bytes[begin...].firstIndex(of: 10).map { $0 + 1 } ?? bytes.count
                try reader.read(UnsafeRawBufferPointer(rebasing: bytes[begin..<end])) { _ in }
                begin = end
            }
            let limit = limit(moment, reader.session)
            if let session = reader.session { analysis.begin(session) }
            for info in reader.devices {
                analysis.consume(Event(time: reader.session?.began ?? 0, kind: .deviceInfo(info)))
            }
            let rest = UnsafeRawBufferPointer(rebasing: bytes[begin...])
            try reader.read(rest, plain: { analysis.consume($0, until: limit) }) {
                if $0.time <= limit { analysis.consume($0) }
            }
            try reader.finish { if $0.time <= limit { analysis.consume($0) } }
            var evidence = reader.evidence
            if limit < .max { evidence.ended = limit }
            return (reader.session, evidence)
        } catch { throw Failure(.cannot, "\(path): \(error.description)") }
    }

    private func limit(_ moment: MomentArgument?, _ session: Session?) -> UInt64 {
        moment.map { $0.sinceBoot(began: session?.began ?? 0, clockOffset: session?.clockOffset ?? 0) } ?? .max
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
