// SPDX-License-Identifier: Apache-2.0
// cut-recording: cuts a recording of several scenarios into one recording for each. The lab traces
// many scenarios under one attach, and checks each as if it had been recorded alone.
//
// Each line of stdin is a slice: NAME BEGIN END, times in nanoseconds since boot, both inclusive,
// ascending and disjoint. Prints one JSON object with the counts.
import CRecords
import Events
import Glibc

func readSpans() -> [Span]? {
    var spans: [Span] = []
    while let line = readLine() {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 3, let begin = UInt64(words[1]), let end = UInt64(words[2]), begin < end,
            spans.last.map({ $0.end < begin }) ?? true
        else { return nil }
        spans.append(Span(name: words[0], begin: begin, end: end))
    }
    return spans
}

/// The bytes of a file, mapped for as long as the process lives.
func contents(of path: String) throws -> UnsafeRawBufferPointer {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw RecordingError.cannotOpen(path: path, errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw RecordingError.cannotRead(path: path, errno: errno) }
    let bytes = Int(status.st_size)
    guard bytes > 0, let base = mmap(nil, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
        return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    return UnsafeRawBufferPointer(start: base, count: bytes)
}

/// Cuts, and prints the counts.
func cut(_ path: String, into directory: String, _ spans: [Span]) throws {
    let bytes = try contents(of: path)
    // The end block comes last, and each slice repeats the defects that it names.
    var whole = try RecordingReader(bytes, path: path)
    whole.forEach { _, _ in }
    let evidence = whole.evidence
    guard let session = whole.session else { throw RecordingError.notARecording(path: path) }

    var background = Background()
    var slice: Slice?
    var written: [Slice] = []
    var late = 0
    var failure: (any Error)?
    var reader = try RecordingReader(bytes, path: path)
    func finish() throws {
        guard let done = slice else { return }
        try done.finish(defects: evidence.defects)
        written.append(done)
        slice = nil
    }
    func place(_ record: UnsafeRawPointer, _ count: Int) throws {
        defer { background.keep(record, count) }
        let time = record.load(as: vs_header.self).time
        let next = slice == nil ? written.count : written.count + 1
        if next < spans.count, time >= spans[next].begin {
            try finish()
            slice = try Slice(spans[next], session: session, background: background, in: directory)
        }
        guard let span = slice?.span, time <= span.end else { return }
        // The border is quiet, so nothing of the previous slice can come this late.
        guard time >= span.begin else { return late += 1 }
        try slice!.append(record, count, background)
    }
    reader.forEach { record, count in
        guard failure == nil else { return }
        do { try place(record, count) } catch { failure = error }
    }
    if let failure { throw failure }
    try finish()
    let slices = written.map { "{\"name\":\"\($0.span.name)\",\"delivered\":\($0.delivered),\"lost\":\($0.lost)}" }
    print(
        "{\"attempted\":\(evidence.attempted),\"delivered\":\(evidence.delivered),\"lost\":\(evidence.lost),"
            + "\"defects\":\(evidence.defects.count),\"late\":\(late),\"slices\":[\(slices.joined(separator: ","))]}")
}

let arguments = CommandLine.arguments
guard arguments.count == 3, let spans = readSpans() else {
    print("cut-recording RECORDING DIRECTORY, and on stdin for each slice: NAME BEGIN END")
    exit(2)
}
do { try cut(arguments[1], into: arguments[2], spans) } catch {
    print("cut-recording: \(error)")
    exit(3)
}
