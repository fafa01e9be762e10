// SPDX-License-Identifier: Apache-2.0
/// Packs records into few bytes: each 8-byte word is written only where it differs from a
/// prediction.
///
/// A header's words are predicted from the previous record, whatever its type. A body's words are
/// predicted by linear extrapolation from the last two records of the same type, so that ascending
/// addresses cost nothing. A record is: its type (1 byte), its size in words (varint), a bit mask
/// of the words that were predicted wrongly (varint), and the difference for each of those words
/// (zigzag varint). Each block starts from zero, so that it can be read without the others. A
/// record of more than 64 words has a mask for each 64 of them, and words from the 48th on, which
/// are text, are predicted to be zero. docs/recording.md has the format byte by byte.
struct RecordPredictor {
    static let headerWords = 7
    /// The number of words in a record that are predicted from previous records.
    static let predictedWords = 48
    static let maxWords = 512
    static let types = 64

    private let last: UnsafeMutablePointer<UInt64>
    private let step: UnsafeMutablePointer<UInt64>

    init() {
        last = .allocate(capacity: Self.types * Self.predictedWords)
        step = .allocate(capacity: Self.types * Self.predictedWords)
        reset()
    }

    func deallocate() {
        last.deallocate()
        step.deallocate()
    }

    func reset() {
        last.update(repeating: 0, count: Self.types * Self.predictedWords)
        step.update(repeating: 0, count: Self.types * Self.predictedWords)
    }

    /// Header words share row 0, which no type uses.
    @inline(__always)
    private func slot(_ type: Int, _ word: Int) -> Int {
        (word < Self.headerWords ? 0 : type) * Self.predictedWords + word
    }

    @inline(__always)
    func predict(_ type: Int, _ word: Int) -> UInt64 {
        guard word < Self.predictedWords else { return 0 }
        let slot = slot(type, word)
        return word < Self.headerWords ? last[slot] : last[slot] &+ step[slot]
    }

    @inline(__always)
    func learn(_ type: Int, _ word: Int, _ value: UInt64) {
        guard word < Self.predictedWords else { return }
        let slot = slot(type, word)
        step[slot] = value &- last[slot]
        last[slot] = value
    }
}

/// The first word contains the type and the size, which are written separately. Only the thread id
/// in its upper half is predicted.
let tidMask: UInt64 = 0xffff_ffff_0000_0000

/// Writes records into a growing buffer.
struct RecordEncoder {
    private let predictor = RecordPredictor()
    private(set) var bytes: [UInt8] = []
    private(set) var count: UInt32 = 0

    func deallocate() { predictor.deallocate() }

    mutating func reset() {
        bytes.removeAll(keepingCapacity: true)
        count = 0
        predictor.reset()
    }

    /// Appends one record of `words` 8-byte words. O(words).
    ///
    /// - Precondition: `words` ≤ `RecordPredictor.maxWords`, and the record's type is below 64.
    mutating func append(_ record: UnsafeRawPointer, words: Int) {
        let source = record.assumingMemoryBound(to: UInt64.self)
        let type = Int(UInt16(truncatingIfNeeded: source[0]))
        bytes.append(UInt8(truncatingIfNeeded: type))
        appendVarint(UInt64(words))
        var first = 0
        repeat {
            append(source, type, first..<min(words, first + 64))
            first += 64
        } while first < words
        count += 1
    }

    /// Appends the mask of up to 64 words, and the differences of those that were predicted
    /// wrongly.
    @inline(__always)
    private mutating func append(_ source: UnsafePointer<UInt64>, _ type: Int, _ range: Range<Int>) {
        var mask: UInt64 = 0
        for word in range {
            let value = word == 0 ? source[0] & tidMask : source[word]
            if value != predictor.predict(type, word) { mask |= 1 << UInt64(word & 63) }
        }
        appendVarint(mask)
        for word in range {
            let value = word == 0 ? source[0] & tidMask : source[word]
            if mask & (1 << UInt64(word & 63)) != 0 {
                let difference = Int64(bitPattern: value &- predictor.predict(type, word))
                appendVarint(UInt64(bitPattern: (difference << 1) ^ (difference >> 63)))
            }
            predictor.learn(type, word, value)
        }
    }

    @inline(__always)
    private mutating func appendVarint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
