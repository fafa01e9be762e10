// SPDX-License-Identifier: Apache-2.0
/// The kernel's name of a thread, at most 16 bytes. It is stored as two words, because every event
/// contains it and two words are quick to copy and compare.
///
/// Bytes after the first NUL are zero. Byte *n* is bits 8*n* to 8*n* + 7 of `low`, then of `high`.
public struct Comm: Hashable, Sendable {
    public let low: UInt64
    public let high: UInt64

    @inlinable public init() { self.init(low: 0, high: 0) }

    /// Keeps the first 16 bytes of `text`.
    public init(_ text: some StringProtocol) { self.init(InlineText<16>(text)) }

    public init(_ text: InlineText<16>) {
        var words: (low: UInt64, high: UInt64) = (0, 0)
        for index in 0..<8 {
            words.low |= UInt64(text.bytes[index]) << UInt64(8 * index)
            words.high |= UInt64(text.bytes[index + 8]) << UInt64(8 * index)
        }
        self.init(low: words.low, high: words.high)
    }

    @inlinable @inline(__always)
    init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// Copies 16 bytes up to the first NUL, from any address.
    @inlinable @inline(__always)
    public init(copying source: UnsafeRawPointer) {
        let low = UInt64(littleEndian: source.loadUnaligned(as: UInt64.self))
        let high = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        let (lowMask, highMask) = (Self.maskBeforeNUL(low), Self.maskBeforeNUL(high))
        self.init(low: low & lowMask, high: high & (lowMask == .max ? highMask : 0))
    }

    public init(copying source: UnsafeRawPointer, count: Int) {
        self.init(InlineText<16>(copying: source, count: count))
    }

    /// Keeps the first `count` of 16 readable bytes. `count` is at most 16, and none of these bytes
    /// is NUL.
    @inline(__always)
    init(unterminated source: UnsafeRawPointer, count: Int) { (low, high) = firstBytes(source, count) }

    public var isEmpty: Bool { low == 0 }
    public var count: Int { text.count }
    public var string: String { text.string }

    public var text: InlineText<16> {
        var text = InlineText<16>()
        for index in 0..<8 {
            text.bytes[index] = UInt8(truncatingIfNeeded: low >> UInt64(8 * index))
            text.bytes[index + 8] = UInt8(truncatingIfNeeded: high >> UInt64(8 * index))
        }
        return text
    }

    /// Returns a mask of all bits below the lowest zero byte. Bytes above it may be marked by
    /// mistake, bytes below it never (Mycroft's algorithm).
    @inlinable @inline(__always)
    static func maskBeforeNUL(_ word: UInt64) -> UInt64 {
        let found = (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
        return found == 0 ? .max : ((found & (0 &- found)) >> 7) &- 1
    }
}

/// The first `count` of 16 readable bytes as two little-endian integers, padded with zeros. `count`
/// is at most 16.
@inline(__always)
func firstBytes(_ source: UnsafeRawPointer, _ count: Int) -> (low: UInt64, high: UInt64) {
    let low = UInt64(littleEndian: source.loadUnaligned(as: UInt64.self))
    let high = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    return count > 8
        ? (low, high & ~0 >> UInt64(truncatingIfNeeded: 128 &- 8 &* count))
        : (low & ~0 >> UInt64(truncatingIfNeeded: 64 &- 8 &* count), 0)
}
