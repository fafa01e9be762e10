// SPDX-License-Identifier: Apache-2.0
/// Numbers, eight digits at a time: the first digit is the lowest byte of a word.
extension TimelineScanner {
    /// Steps over a number of 1 to 19 digits; over nothing, and gives nil, if it is longer, has
    /// zeros in front, or is none.
    @inline(__always)
    mutating func shortNumber() -> UInt64? {
        let digits = eight(offset) ^ Self.zeros
        let length = Self.digitCount(digits)
        guard base[offset] != UInt8(ascii: "0") || length == 1 else { return nil }
        if length == 8 { return longNumber(Self.eightDigits(digits)) }
        guard length > 0 else { return nil }
        offset &+= length
        return Self.eightDigits(Self.front(digits, length))
    }

    /// The same behind the first eight digits.
    @inline(__always)
    private mutating func longNumber(_ first: UInt64) -> UInt64? {
        var number = first
        var behind = offset &+ 8
        let digits = eight(behind) ^ Self.zeros
        let length = Self.digitCount(digits)
        if length > 0 {
            number = number &* Self.powerOfTen(length) &+ Self.eightDigits(Self.front(digits, length))
            behind &+= length
        }
        if length == 8 {
            while base[behind] &- UInt8(ascii: "0") < 10 {
                guard behind &- offset < 19 else { return nil }
                number = number &* 10 &+ UInt64(base[behind] &- UInt8(ascii: "0"))
                behind &+= 1
            }
        }
        offset = behind
        return number
    }

    private static var zeros: UInt64 { 0x3030_3030_3030_3030 }

    /// The first `length` bytes alone, 1 to 8, behind zeros.
    @inline(__always)
    private static func front(_ digits: UInt64, _ length: Int) -> UInt64 {
        digits &<< UInt64(truncatingIfNeeded: 64 &- 8 &* length)
    }

    /// How many of eight bytes, from the first on, are 0 … 9.
    @inline(__always)
    private static func digitCount(_ digits: UInt64) -> Int {
        // A byte of 10 or more gets its top bit set, or has it; only bytes behind it can be
        // mistaken.
        (((digits &+ 0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080).trailingZeroBitCount / 8
    }

    /// The number that eight digits make: of pairs, then of fours.
    @inline(__always)
    private static func eightDigits(_ digits: UInt64) -> UInt64 {
        let pairs = digits &* 10 &+ digits >> 8
        let mask: UInt64 = 0x0000_00ff_0000_00ff
        return ((pairs & mask) &* (100 + 1_000_000 << 32) &+ (pairs >> 16 & mask) &* (1 + 10_000 << 32)) >> 32
    }

    @inline(__always)
    private static func powerOfTen(_ exponent: Int) -> UInt64 {
        switch exponent {
        case 1: 10
        case 2: 100
        case 3: 1000
        case 4: 10_000
        case 5: 100_000
        case 6: 1_000_000
        case 7: 10_000_000
        default: 100_000_000
        }
    }

    // MARK: Hexadecimal

    /// Steps over 1 to 16 hex digits; over nothing, and gives nil, if none comes next.
    @inline(__always)
    mutating func hexNumber() -> UInt64? {
        let digits = eight(offset)
        let length = Self.hexDigitCount(digits)
        guard length > 0 else { return nil }
        let number = Self.eightHexDigits(digits, length)
        offset &+= length
        guard length == 8 else { return number }
        let more = eight(offset)
        let moreLength = Self.hexDigitCount(more)
        guard moreLength > 0 else { return number }
        offset &+= moreLength
        return number &<< UInt64(truncatingIfNeeded: 4 &* moreLength) | Self.eightHexDigits(more, moreLength)
    }

    /// How many of eight bytes, from the first on, are hex digits. Sums stay below 256, so no byte
    /// touches the next.
    @inline(__always)
    private static func hexDigitCount(_ bytes: UInt64) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let low = bytes & (ones &* 0x7f)
        let digits = low ^ zeros
        // Letters of either case as 1 … 6.
        let letters = (low | ones &* 0x20) ^ ones &* 0x60
        let isLetter = (letters &+ ones &* 0x7f) & ~(letters &+ ones &* 0x79)
        let others = ((digits &+ ones &* 0x76) & ~isLetter | bytes) & (ones &* 0x80)
        return others.trailingZeroBitCount / 8
    }

    /// The number that the first `length` of eight bytes make, all hex digits.
    @inline(__always)
    private static func eightHexDigits(_ bytes: UInt64, _ length: Int) -> UInt64 {
        let nibbles = front((bytes & 0x0f0f_0f0f_0f0f_0f0f) &+ (bytes >> 6 & 0x0101_0101_0101_0101) &* 9, length)
        let pairs = (nibbles << 4 | nibbles >> 8) & 0x00ff_00ff_00ff_00ff
        let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff
        return UInt64(UInt32(truncatingIfNeeded: fours | fours >> 16).byteSwapped)
    }

    // MARK: Any number

    /// Scans any number: an integer of 64 bits exactly, anything else as a fraction whose text is
    /// kept.
    @inline(never)
    mutating func number() throws(TimelineFault) -> Value {
        var value = Value()
        value.start = offset
        let negative = skip(ascii: "-")
        value.kind = negative ? .negative : .unsigned
        let first = offset
        var tooBig = false
        while base[offset] &- UInt8(ascii: "0") < 10 {
            let (product, overflow) = value.magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(base[offset] &- UInt8(ascii: "0")))
            tooBig = tooBig || overflow || carry
            value.magnitude = sum
            offset &+= 1
        }
        guard offset > first else { throw fault("a digit") }
        if base[first] == UInt8(ascii: "0"), offset &- first > 1 {
            offset = first
            throw fault("a number without zeros in front")
        }
        if isFraction { try fraction(); tooBig = true }
        if tooBig { value.kind = .fraction }
        value.end = offset
        return value
    }

    /// Whether what comes next makes a fraction of the digits before it.
    @inline(__always)
    var isFraction: Bool { base[offset] == UInt8(ascii: ".") || base[offset] | 0x20 == UInt8(ascii: "e") }

    private mutating func fraction() throws(TimelineFault) {
        if skip(ascii: ".") { try digits() }
        if base[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if !skip(ascii: "+") { _ = skip(ascii: "-") }
            try digits()
        }
    }

    private mutating func digits() throws(TimelineFault) {
        let first = offset
        while base[offset] &- UInt8(ascii: "0") < 10 { offset += 1 }
        guard offset > first else { throw fault("a digit") }
    }
}
