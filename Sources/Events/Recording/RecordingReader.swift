// SPDX-License-Identifier: Apache-2.0
/// Reads a recording from memory: every intact block, whatever the state of the others.
///
/// A damaged or truncated block is never skipped silently. It becomes a defect of the evidence, and
/// reading continues at the next block.
public struct RecordingReader {
    public private(set) var session: Session?
    public private(set) var evidence = Evidence()
    public private(set) var recordsRead: UInt64 = 0
    private var ended = false
    private let bytes: UnsafeRawBufferPointer
    private let path: String

    /// - Throws: `RecordingError` when `bytes` do not begin like a recording that this version can
    ///   read.
    public init(_ bytes: UnsafeRawBufferPointer, path: String) throws(RecordingError) {
        self.bytes = bytes
        self.path = path
        guard bytes.count > 0 else { throw .empty(path: path) }
        guard Self.looksLikeRecording(bytes) else { throw .notARecording(path: path) }
        guard bytes.count >= RecordingFormat.fileHeaderBytes else {
            evidence.defects.append("the recording is cut short within its file header")
            return
        }
        let version = bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self).littleEndian
        guard version <= RecordingFormat.version else { throw .newerVersion(path: path, version: version) }
        session = lastSession()
    }

    /// Whether `bytes` begin with the magic of a recording, or with a part of it if they are
    /// shorter.
    public static func looksLikeRecording(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count > 0 && zip(bytes, RecordingFormat.magic).allSatisfy { $0 == $1 }
    }

    /// Calls `body` with each record, in order; the pointer is valid during the call. O(bytes).
    public mutating func forEach(_ body: (UnsafeRawPointer, Int) -> Void) {
        guard bytes.count >= RecordingFormat.fileHeaderBytes else { return }
        let unpacker = RecordUnpacker()
        defer { unpacker.deallocate() }
        var offset = RecordingFormat.fileHeaderBytes
        while offset < bytes.count {
            guard let block = block(at: offset) else {
                let next = nextBlock(after: offset)
                evidence.defects.append(
                    next == nil
                        ? "the recording is cut short at byte \(offset): \(bytes.count - offset) bytes of an "
                            + "unfinished block"
                        : "bytes \(offset)–\(next! - 1) are damaged and were left out")
                offset = next ?? bytes.count
                continue
            }
            let start = offset
            offset += RecordingFormat.blockHeaderBytes + block.payload.count
            switch block.kind {
            case .session: session = Session(KeyedLines(block.payload))
            case .end:
                ended = true
                let end = Evidence(KeyedLines(block.payload))
                evidence = Evidence(
                    attempted: end.attempted, delivered: end.delivered, lost: end.lost, ended: end.ended,
                    defects: evidence.defects + end.defects)
            case .records:
                let intact = unpacker.forEach(in: block.payload, count: block.records) { record, count in
                    recordsRead += 1
                    body(record, count)
                }
                if !intact {
                    evidence.defects.append(
                        "the block at byte \(start) does not unpack: it was written by another version, or damaged "
                            + "before its checksum"
                    )
                }
            }
        }
        guard ended else {
            // Without an end block there is no count. The records read were delivered; how many
            // more there were is unknown.
            evidence.attempted = recordsRead
            evidence.delivered = recordsRead
            evidence.defects.append("the recording has no end block: the tool was killed, or the disk was full")
            return
        }
    }

    private struct Block {
        var kind: RecordingFormat.BlockKind
        var records: UInt32
        var payload: UnsafeRawBufferPointer
    }

    private func word(_ offset: Int) -> UInt32 {
        bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian
    }

    /// The intact block at `offset`, or nil. If `checked` is false, the payload of a block of
    /// records may be damaged.
    private func block(at offset: Int, checked: Bool = true) -> Block? {
        guard offset + RecordingFormat.blockHeaderBytes <= bytes.count, word(offset) == RecordingFormat.blockMagic,
            RecordingFormat.crc(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 20])) == word(offset + 20),
            let kind = RecordingFormat.BlockKind(rawValue: word(offset + 4))
        else { return nil }
        let length = Int(word(offset + 8))
        let first = offset + RecordingFormat.blockHeaderBytes
        guard length <= RecordingFormat.maxPayloadBytes, first + length <= bytes.count else { return nil }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[first..<first + length])
        guard (!checked && kind == .records) || RecordingFormat.crc(payload) == word(offset + 16) else { return nil }
        return Block(kind: kind, records: word(offset + 12), payload: payload)
    }

    /// The next offset at which an intact block begins.
    private func nextBlock(after offset: Int) -> Int? {
        var candidate = offset + 1
        while candidate + RecordingFormat.blockHeaderBytes <= bytes.count {
            if bytes[candidate] == UInt8(ascii: "V"), word(candidate) == RecordingFormat.blockMagic,
                block(at: candidate) != nil
            {
                return candidate
            }
            candidate += 1
        }
        return nil
    }

    /// The last session block that can be reached. It includes hooks that were attached late. Does
    /// not read records: those are checked later. O(blocks).
    private func lastSession() -> Session? {
        var offset = RecordingFormat.fileHeaderBytes
        var last: Session?
        while offset < bytes.count {
            guard let block = block(at: offset, checked: false) else {
                guard let next = nextBlock(after: offset) else { break }
                offset = next
                continue
            }
            if block.kind == .session { last = Session(KeyedLines(block.payload)) }
            offset += RecordingFormat.blockHeaderBytes + block.payload.count
        }
        return last
    }
}
