/// Two decimal digits for each of 0 … 99.
private let digitPairs: StaticString = """
    00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899
    """

private let hexDigits: StaticString = "0123456789abcdef"

/// How many decimal digits a number has: 1 … 20.
@inline(__always)
private func decimalDigits(_ value: UInt64) -> Int {
    var digits = 1
    var rest = value
    while rest >= 10_000 {
        rest /= 10_000
        digits &+= 4
    }
    if rest >= 1000 { return digits &+ 3 }
    if rest >= 100 { return digits &+ 2 }
    return rest >= 10 ? digits &+ 1 : digits
}

/// Writes `value`'s last `digits` decimal digits, zeros in front. O(digits).
@inline(__always)
func storeDecimal(_ value: UInt64, digits: Int, at start: UnsafeMutablePointer<UInt8>) {
    let pairs = digitPairs.utf8Start
    var rest = value
    var position = digits
    while position >= 2 {
        let (quotient, pair) = rest.quotientAndRemainder(dividingBy: 100)
        position &-= 2
        start[position] = pairs[Int(truncatingIfNeeded: pair &* 2)]
        start[position &+ 1] = pairs[Int(truncatingIfNeeded: pair &* 2 &+ 1)]
        rest = quotient
    }
    if position == 1 { start[0] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10) }
}

extension ByteWriter {
    /// Appends decimal digits, 20 at most.
    @inline(__always)
    public mutating func append(_ value: UInt64) {
        let digits = decimalDigits(value)
        appendUnsafely(20) { storeDecimal(value, digits: digits, at: $0); return digits }
    }

    @inline(__always)
    public mutating func append(_ value: UInt32) { append(UInt64(value)) }

    /// Appends decimal digits behind a minus sign where needed: all of -2⁶³ … 2⁶³-1.
    public mutating func append(_ value: Int64) {
        if value < 0 { append(byte: 0x2d) }
        append(value.magnitude)
    }

    /// Appends exactly `digits` (1 … 20) decimal digits, zeros in front; higher digits are dropped.
    public mutating func append(_ value: UInt64, digits: Int) {
        precondition(digits >= 1 && digits <= 20)
        appendUnsafely(20) { storeDecimal(value, digits: digits, at: $0); return digits }
    }

    /// Appends `0x` and lower-case hex digits without zeros in front (`0x0` for 0).
    @inline(__always)
    public mutating func append(hex value: UInt64) {
        let digits = max(1, (67 &- value.leadingZeroBitCount) / 4)
        append(hex: value, digits: digits, prefixed: true)
    }

    /// Appends exactly `digits` (1 … 16) lower-case hex digits, zeros in front; higher digits are dropped.
    @inline(__always)
    public mutating func append(hex value: UInt64, digits: Int, prefixed: Bool = false) {
        assert(digits >= 1 && digits <= 16)
        let table = hexDigits.utf8Start
        appendUnsafely(18) { start in
            var out = start
            if prefixed {
                out[0] = 0x30
                out[1] = 0x78
                out += 2
            }
            var rest = value
            var position = digits
            while position > 0 {
                position &-= 1
                out[position] = table[Int(truncatingIfNeeded: rest & 15)]
                rest >>= 4
            }
            return digits &+ (prefixed ? 2 : 0)
        }
    }
}
