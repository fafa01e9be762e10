// SPDX-License-Identifier: Apache-2.0
/// Unpacks the records that `RecordEncoder` wrote, one block after another.
///
/// A type's row in the predictor is the last record of that type, so no record is copied. The steps
/// are added to the row, all words at once; the words in the mask are corrected; and the row is
/// lent as the record.
///
/// Invariants: `rows` and `steps` hold `types` × `predictedWords` words, `header` holds
/// `headerWords`; nothing beyond them is written, whatever a payload contains, and nothing is read
/// beyond the payload's end.
struct RecordUnpacker {
    private static let width = RecordPredictor.predictedWords
    private static let headerWords = RecordPredictor.headerWords

    private let rows = UnsafeMutablePointer<UInt64>.allocate(capacity: RecordPredictor.types * width)
    private let steps = UnsafeMutablePointer<UInt64>.allocate(capacity: RecordPredictor.types * width)
    /// The header of the previous record, whatever its type. Only the thread id of its first word
    /// is kept.
    private let header = UnsafeMutablePointer<UInt64>.allocate(capacity: headerWords)
    /// For records that are longer than a row.
    private let scratch = UnsafeMutablePointer<UInt64>.allocate(capacity: RecordPredictor.maxWords)

    func deallocate() {
        rows.deallocate()
        steps.deallocate()
        header.deallocate()
        scratch.deallocate()
    }

    /// Calls `body` with each record of a block's payload. Returns false if the payload is
    /// malformed. The pointer is valid during the call.
    @inline(__always)
    func forEach(in payload: UnsafeRawBufferPointer, count: UInt32, _ body: (UnsafeRawPointer, Int) -> Void) -> Bool {
        rows.update(repeating: 0, count: RecordPredictor.types * Self.width)
        steps.update(repeating: 0, count: RecordPredictor.types * Self.width)
        header.update(repeating: 0, count: Self.headerWords)
        var cursor = Cursor(payload)
        for _ in 0..<count {
            guard let type = cursor.byte(), Int(type) < RecordPredictor.types, let number = cursor.shortVarint(),
                number >= UInt64(Self.headerWords),
                number <= UInt64(RecordPredictor.maxWords), let mask = cursor.varint(),
                number >= 64 || mask >> number == 0
            else { return false }
            let words = Int(number)
            let row = rows + Int(type) * Self.width
            guard advance(row, steps + Int(type) * Self.width, min(words, Self.width), mask, &cursor) else {
                return false
            }
            row[0] = header[0] | number << 19 | UInt64(type)
            if words <= Self.width {
                body(UnsafeRawPointer(row), words << 3)
            } else {
                guard text(row, words, mask, &cursor) else { return false }
                body(UnsafeRawPointer(scratch), words << 3)
            }
        }
        return cursor.isAtEnd
    }

    /// Turns a row into the next record of its type, except for the lower half of its first word.
    @inline(__always)
    private func advance(
        _ row: UnsafeMutablePointer<UInt64>, _ step: UnsafeMutablePointer<UInt64>, _ words: Int, _ mask: UInt64,
        _ cursor: inout Cursor
    ) -> Bool {
        var word = Self.headerWords
        // Two words at a time. An odd last word is advanced alone, because the word after it
        // belongs to longer records of the same type.
        while word + 1 < words {
            let moved = SIMD2(row[word], row[word + 1]) &+ SIMD2(step[word], step[word + 1])
            (row[word], row[word + 1]) = (moved[0], moved[1])
            word += 2
        }
        if word < words { row[word] &+= step[word] }
        var wrong = mask & ((1 << UInt64(words)) &- 1)
        while wrong != 0 {
            let word = wrong.trailingZeroBitCount
            wrong &= wrong &- 1
            guard let difference = cursor.difference() else { return false }
            if word < Self.headerWords {
                header[word] &+= difference
            } else {
                row[word] &+= difference
                step[word] &+= difference
            }
        }
        header[0] &= tidMask
        for word in 0..<Self.headerWords { row[word] = header[word] }
        return true
    }

    /// Reads the words after a row: text, which is predicted to be zero, with a mask for each 64
    /// words.
    @inline(never)
    private func text(_ row: UnsafeMutablePointer<UInt64>, _ words: Int, _ first: UInt64, _ cursor: inout Cursor)
        -> Bool
    {
        scratch.update(from: row, count: Self.width)
        var mask = first
        for word in Self.width..<words {
            if word & 63 == 0 {
                let left = UInt64(words - word)
                guard let next = cursor.varint(), left >= 64 || next >> left == 0 else { return false }
                mask = next
            }
            scratch[word] = 0
            if mask & (1 << UInt64(word & 63)) != 0 {
                guard let difference = cursor.difference() else { return false }
                scratch[word] = difference
            }
        }
        return true
    }
}

/// Reads a payload's bytes and varints in order.
private struct Cursor {
    private var pointer: UnsafePointer<UInt8>
    private let end: UnsafePointer<UInt8>

    @inline(__always)
    init(_ payload: UnsafeRawBufferPointer) {
        let base = payload.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!
        pointer = base.assumingMemoryBound(to: UInt8.self)
        end = pointer + payload.count
    }

    var isAtEnd: Bool { pointer == end }

    @inline(__always)
    mutating func byte() -> UInt8? {
        guard pointer < end else { return nil }
        defer { pointer += 1 }
        return pointer.pointee
    }

    /// Reads a zigzag varint.
    @inline(__always)
    mutating func difference() -> UInt64? {
        guard let coded = varint() else { return nil }
        return (coded >> 1) ^ (0 &- (coded & 1))
    }

    /// Reads a varint: seven bits in each byte, the lowest first, the last byte below 128. Up to
    /// eight bytes are read as one word, and their bits are moved together without a branch that
    /// depends on their number.
    @inline(__always)
    mutating func varint() -> UInt64? {
        guard end - pointer >= 8 else { return slowVarint() }
        let word = UInt64(littleEndian: UnsafeRawPointer(pointer).loadUnaligned(as: UInt64.self))
        let last = ~word & 0x8080_8080_8080_8080
        guard last != 0 else { return slowVarint() }
        pointer += last.trailingZeroBitCount >> 3 + 1
        var bits = word & (last ^ (last &- 1)) & 0x7f7f_7f7f_7f7f_7f7f
        // The upper one of each pair of neighbours moves down: by 1 bit, by 2, by 4.
        bits &-= (bits & 0x7f00_7f00_7f00_7f00) >> 1
        let pairs = bits & 0x3fff_0000_3fff_0000
        bits = bits &- pairs &+ pairs >> 2
        let upper = bits & 0x0fff_ffff_0000_0000
        return bits &- upper &+ upper >> 4
    }

    /// Reads a varint at a place where nearly all have one byte.
    @inline(__always)
    mutating func shortVarint() -> UInt64? {
        guard pointer < end, pointer.pointee < 0x80 else { return varint() }
        defer { pointer += 1 }
        return UInt64(pointer.pointee)
    }

    @inline(never)
    private mutating func slowVarint() -> UInt64? {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        while pointer < end, shift < 64 {
            let byte = pointer.pointee
            pointer += 1
            result |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return result }
            shift += 7
        }
        return nil
    }
}
