// SPDX-License-Identifier: Apache-2.0
import Events

/// Produces the events of a JSON timeline.
public struct TimelineProducer: Producer {
    @usableFromInline var reader = TimelineReader()
    /// The lines after the header.
    @usableFromInline let lines: UnsafeRawBufferPointer

    /// Reads the header.
    ///
    /// - Parameter bytes: the whole timeline; they must stay in place as long as this exists.
    /// - Throws: `TimelineError` if the first line that is not blank is not a header that this
    ///   version can read.
    public init(_ bytes: UnsafeRawBufferPointer) throws(TimelineError) {
        var begin = 0
        while reader.session == nil, begin < bytes.count {
            let end = bytes[begin...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? bytes.count
            try reader.read(UnsafeRawBufferPointer(rebasing: bytes[begin..<end])) { _ in }
            begin = end
        }
        lines = UnsafeRawBufferPointer(rebasing: bytes[begin...])
    }

    public var session: Session? { reader.session }

    @inlinable
    public mutating func produce<Observer: ~Copyable>(
        into pipeline: inout Pipeline<Observer>, until limit: UInt64
    ) throws(TimelineError) -> Evidence {
        if let session = reader.session { pipeline.begin(session) }
        let began = reader.session?.began ?? 0
        for info in reader.devices { pipeline.consume(Event(time: began, kind: .deviceInfo(info))) }
        try reader.read(
            lines, ordinary: { record, details in pipeline.consume(record, until: limit) { details } },
            { pipeline.consume($0, until: limit) })
        try reader.finish { pipeline.consume($0, until: limit) }
        var evidence = reader.evidence
        if limit < .max { evidence.ended = limit }
        return evidence
    }
}
