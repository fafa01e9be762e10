// SPDX-License-Identifier: Apache-2.0
/// Finds the words that the reader knows by their bytes: an open hash table, a quarter full at
/// most, whose keys are the bytes of a word as two integers.
///
/// Invariants: 1024 entries; at least one is empty, so every search ends; a word is reached from
/// its hash without an empty entry between.
final class TimelineWords {
    private struct Entry {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var word: TimelineWord?
    }

    private static let bits: UInt64 = 10
    private static let mask = 1 << Int(bits) - 1
    private let entries: UnsafeMutablePointer<Entry>

    init() {
        let known = TimelineWord.allCases.filter { !$0.isOnlyWritten }
        precondition(known.count * 4 <= Self.mask + 1)
        entries = .allocate(capacity: Self.mask + 1)
        entries.initialize(repeating: Entry(), count: Self.mask + 1)
        for word in known {
            let length = word.text.utf8CodeUnitCount
            precondition(length <= 16)
            var low: UInt64 = 0, high: UInt64 = 0
            for index in (0..<length).reversed() {
                high = high << 8 | low >> 56
                low = low << 8 | UInt64(word.text.utf8Start[index])
            }
            var index = Self.slot(low, high)
            while entries[index].word != nil { index = (index + 1) & Self.mask }
            entries[index] = Entry(low: low, high: high, word: word)
        }
    }

    deinit { entries.deallocate() }

    @inline(__always)
    private static func slot(_ low: UInt64, _ high: UInt64) -> Int {
        Int(truncatingIfNeeded: ((low ^ (high &* 0x9e37_79b9_7f4a_7c15)) &* 0xff51_afd7_ed55_8ccd) >> (64 &- bits))
    }

    /// The word of `length` bytes at `start`, nil if the reader does not know it. O(1).
    ///
    /// - Precondition: 16 bytes are readable at `start`.
    @inline(__always)
    func find(_ start: UnsafePointer<UInt8>, _ length: Int) -> TimelineWord? {
        guard length > 0, length <= 16 else { return nil }
        let (low, high) = firstBytes(start, length)
        return find(low, high)
    }

    /// The word that ends at the next quote, and its length; nil if the reader does not know it.
    /// O(1).
    ///
    /// - Precondition: 16 bytes are readable at `start`.
    @inline(__always)
    func findQuoted(_ start: UnsafePointer<UInt8>) -> (word: TimelineWord, length: Int)? {
        let raw = UnsafeRawPointer(start)
        let low = UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self))
        let quote = Self.quote(low)
        if quote != 0 {
            guard let word = find(low & Self.below(quote), 0) else { return nil }
            return (word, quote.trailingZeroBitCount / 8)
        }
        let high = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        let second = Self.quote(high)
        guard second != 0, let word = find(low, high & Self.below(second)) else { return nil }
        return (word, 8 &+ second.trailingZeroBitCount / 8)
    }

    @inline(__always)
    private func find(_ low: UInt64, _ high: UInt64) -> TimelineWord? {
        var index = Self.slot(low, high)
        while true {
            guard let word = entries[index].word else { return nil }
            if entries[index].low == low, entries[index].high == high { return word }
            index = (index &+ 1) & Self.mask
        }
    }

    /// The top bit of the first quote among eight bytes; the bits above it are meaningless.
    @inline(__always)
    private static func quote(_ word: UInt64) -> UInt64 {
        let differences = word ^ 0x2222_2222_2222_2222
        return (differences &- 0x0101_0101_0101_0101) & ~differences & 0x8080_8080_8080_8080
    }

    /// All bits of the bytes below the one that `quote` found.
    @inline(__always)
    private static func below(_ quote: UInt64) -> UInt64 { ((quote & (0 &- quote)) >> 7) &- 1 }
}
