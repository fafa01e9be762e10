// SPDX-License-Identifier: Apache-2.0
/// Writes into room that a `ByteWriter` has reserved. Its place is its only field, so it stays in a
/// register through a whole line.
///
/// Invariants: the caller of `ByteWriter.room` knows the most that will be written into the room;
/// no store reaches further behind the place than `overhang`, which is reserved in addition. So
/// stores can be wider than what they write, and none of them checks a bound.
struct ByteCursor: ~Copyable {
    /// Bytes behind its place that a store may touch.
    static let overhang = 256
    /// The longest decimal number, and more than the longest hex one.
    static let longestNumber = 20

    var place: UnsafeMutableRawPointer

    @inline(__always)
    init(_ place: UnsafeMutableRawPointer) { self.place = place }

    /// A literal becomes a few wide stores: its length is known where this is inlined.
    @inline(__always)
    mutating func put(_ text: StaticString) {
        place.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
        place += text.utf8CodeUnitCount
    }

    @inline(__always)
    mutating func put(byte: UInt8) {
        place.storeBytes(of: byte, as: UInt8.self)
        place += 1
    }

    /// The first `count` bytes of `word`, 8 at most, from the lowest one.
    @inline(__always)
    mutating func put(word: UInt64, count: Int) {
        place.storeBytes(of: word.littleEndian, as: UInt64.self)
        place += count
    }

    /// Appends the first `count` bytes at `source`. It copies `capacity` bytes: a copy of fixed
    /// length needs no loop.
    @inline(__always)
    mutating func put(_ source: UnsafeRawPointer, of capacity: Int, count: Int) {
        place.copyMemory(from: source, byteCount: capacity)
        place += count
    }

    /// Steps over bytes that have been written already.
    @inline(__always)
    mutating func skip(_ count: Int) { place += count }

    // MARK: Decimal numbers

    /// Decimal digits, 20 at most.
    @inline(__always)
    mutating func put(_ value: UInt64) {
        if _fastPath(value < 100_000_000) { return putHead(value) }
        place = Self.long(value, at: place)
    }

    @inline(__always)
    mutating func put(_ value: UInt32) { put(UInt64(value)) }

    /// Takes and returns the place as a value, as every function out of line does: a place whose
    /// address is taken would have to lie in memory.
    @inline(never)
    private static func long(_ value: UInt64, at place: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        var cursor = ByteCursor(place)
        let (upper, low) = value.quotientAndRemainder(dividingBy: 100_000_000)
        if upper < 100_000_000 {
            cursor.putHead(upper)
        } else {
            let (top, middle) = upper.quotientAndRemainder(dividingBy: 100_000_000)
            cursor.putHead(top)
            cursor.put(word: decimalText(middle), count: 8)
        }
        cursor.put(word: decimalText(low), count: 8)
        return cursor.place
    }

    /// A number below 10⁸, without zeros in front.
    @inline(__always)
    private mutating func putHead(_ value: UInt64) {
        let digits = decimalDigits(value)
        // Bytes of zeros in front; the last digit is one even of 0.
        let zeros = (digits | 1 << 56).trailingZeroBitCount & 0x38
        put(word: (digits | asciiZeros) &>> UInt64(zeros), count: 8 &- zeros &>> 3)
    }

    /// The last nine digits: the nanoseconds of a second.
    @inline(__always)
    mutating func put(nanoseconds: UInt64) {
        let (top, low) = nanoseconds.quotientAndRemainder(dividingBy: 100_000_000)
        put(byte: UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: top))
        put(word: decimalText(low), count: 8)
    }

    /// Exactly `digits` (1 … 20) digits, zeros in front; higher ones are dropped.
    mutating func put(_ value: UInt64, digits: Int) {
        var rest = digits
        if rest > 16 {
            putTail(value / 10_000_000_000_000_000, rest - 16)
            rest = 16
        }
        if rest > 8 {
            putTail(value / 100_000_000 % 100_000_000, rest - 8)
            rest = 8
        }
        putTail(value % 100_000_000, rest)
    }

    /// The last `digits` (1 … 8) of a number below 10⁸.
    private mutating func putTail(_ value: UInt64, _ digits: Int) {
        put(word: decimalText(value) >> UInt64(64 - 8 * digits), count: digits)
    }

    // MARK: Hex numbers

    /// Lower-case hex digits without zeros in front, `0` for 0.
    @inline(__always)
    mutating func put(hex value: UInt64) { put(hex: value, digits: max(1, (67 &- value.leadingZeroBitCount) &>> 2)) }

    /// Exactly `digits` (1 … 16) lower-case hex digits, zeros in front; higher ones are dropped.
    @inline(__always)
    mutating func put(hex value: UInt64, digits: Int) {
        let first = value &<< UInt64(truncatingIfNeeded: 64 &- 4 &* digits)
        place.storeBytes(of: hexText(first &>> 32).littleEndian, as: UInt64.self)
        if digits > 8 {
            place.storeBytes(of: hexText(first & 0xffff_ffff).littleEndian, toByteOffset: 8, as: UInt64.self)
        }
        place += digits
    }
}
