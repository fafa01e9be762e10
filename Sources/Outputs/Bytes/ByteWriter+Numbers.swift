// SPDX-License-Identifier: Apache-2.0
/// Numbers, decimal and hex.
extension ByteWriter {
    /// Appends decimal digits, 20 at most.
    @inline(__always)
    public mutating func append(_ value: UInt64) {
        var cursor = room(ByteCursor.longestNumber)
        cursor.put(value)
        commit(cursor)
    }

    @inline(__always)
    public mutating func append(_ value: UInt32) { append(UInt64(value)) }

    /// Appends decimal digits behind a minus sign where needed: all of -2⁶³ … 2⁶³-1.
    public mutating func append(_ value: Int64) {
        if value < 0 { append("-") }
        append(value.magnitude)
    }

    /// Appends exactly `digits` (1 … 20) decimal digits, zeros in front; higher digits are dropped.
    public mutating func append(_ value: UInt64, digits: Int) {
        precondition(digits >= 1 && digits <= 20)
        var cursor = room(ByteCursor.longestNumber)
        cursor.put(value, digits: digits)
        commit(cursor)
    }

    /// Appends `0x` and lower-case hex digits without zeros in front (`0x0` for 0).
    @inline(__always)
    public mutating func append(hex value: UInt64) {
        var cursor = room(ByteCursor.longestNumber)
        cursor.put("0x")
        cursor.put(hex: value)
        commit(cursor)
    }

    /// Appends exactly `digits` (1 … 16) lower-case hex digits, zeros in front; higher digits are
    /// dropped.
    public mutating func append(hex value: UInt64, digits: Int, prefixed: Bool = false) {
        precondition(digits >= 1 && digits <= 16)
        var cursor = room(ByteCursor.longestNumber)
        if prefixed { cursor.put("0x") }
        cursor.put(hex: value, digits: digits)
        commit(cursor)
    }
}
