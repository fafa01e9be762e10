// SPDX-License-Identifier: Apache-2.0
import Events

/// Produces the events of a recording.
public struct RecordingProducer: Producer {
    @usableFromInline var reader: RecordingReader

    /// - Parameters:
    ///   - bytes: the whole recording, aligned to 8; they must stay in place as long as this
    ///     exists.
    ///   - path: for messages.
    /// - Throws: `RecordingError` if it is not a recording, or has a newer format.
    public init(_ bytes: UnsafeRawBufferPointer, path: String) throws(RecordingError) {
        reader = try RecordingReader(bytes, path: path)
    }

    public var session: Session? { reader.session }

    @inlinable
    public mutating func produce<Observer: ~Copyable>(
        into pipeline: inout Pipeline<Observer>, until limit: UInt64
    ) throws(RecordingError) -> Evidence {
        if let session = reader.session { pipeline.begin(session) }
        reader.forEach { record, count in pipeline.consume(record, count: count, until: limit) }
        return evidence(unknownRecords: pipeline.unknownRecords, until: limit)
    }

    @usableFromInline
    func evidence(unknownRecords: UInt64, until limit: UInt64) -> Evidence {
        var evidence = reader.evidence
        if reader.session == nil {
            evidence.defects.append("the recording has no session block: kernel, clock and hooks are not known")
        }
        if unknownRecords > 0 {
            evidence.defects.append("\(unknownRecords) records are of a type that this version does not know")
        }
        if limit < .max { evidence.ended = limit }
        return evidence
    }
}
