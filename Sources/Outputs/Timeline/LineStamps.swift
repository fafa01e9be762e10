// SPDX-License-Identifier: Apache-2.0
import Events

/// Writes `t` and `time` of a line. Lines come in bursts, so their text is kept: within one second
/// of both clocks all but nanoseconds stay the same.
struct LineStamps: Sendable {
    /// Nanoseconds to add to a time since boot to get Unix time.
    var clockOffset: Int64 = 0 {
        didSet { length = 0 }
    }

    /// The text is valid for `length` nanoseconds from `first` on. `length` is 0 at first.
    private var first: UInt64 = 0
    private var length: UInt64 = 0
    /// When these seconds began, nanoseconds since boot; the Unix clock's can lie before the boot
    /// (modulo 2⁶⁴).
    private var second: UInt64 = 0
    private var unixSecond: UInt64 = 0
    /// `12nnnnnnnnn,"time":"2026-10-05T12:34:56.nnnnnnnnnZ"`.
    private var text = InlineArray<64, UInt8>(repeating: 0)
    /// Of the seconds of `t`.
    private var digits = 0

    /// Appends `t`, whose key is already there, and `time`.
    @inline(__always)
    mutating func put(_ time: UInt64, _ cursor: inout ByteCursor) {
        guard _fastPath(time &- first < length) else { return cursor.place = anew(time, at: cursor.place) }
        let digits = self.digits
        withUnsafeBytes(of: &text) { cursor.put($0.baseAddress!, of: 64, count: digits) }
        cursor.put(nanoseconds: time &- second)
        cursor.skip(Self.between)
        cursor.put(nanoseconds: time &- unixSecond)
        cursor.put(#"Z""#)
    }

    /// Appends a time since boot alone: hardly ever of another second than the line's.
    @inline(__always)
    mutating func put(alone time: UInt64, _ cursor: inout ByteCursor) {
        guard _fastPath(time &- first < length) else { return cursor.put(time) }
        let digits = self.digits
        withUnsafeBytes(of: &text) { cursor.put($0.baseAddress!, of: 16, count: digits) }
        cursor.put(nanoseconds: time &- second)
    }

    /// Bytes of `,"time":"2026-10-05T12:34:56.`.
    private static let between = 29

    @inline(never)
    private mutating func anew(_ time: UInt64, at begin: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        let unix = Int64(truncatingIfNeeded: time) &+ clockOffset
        let start = unix.flooredQuotient(1_000_000_000)
        var date = SecondCache()
        date.fill(start)
        second = time / 1_000_000_000 * 1_000_000_000
        unixSecond = time &- (UInt64(bitPattern: unix) &- UInt64(bitPattern: start &* 1_000_000_000))
        var cursor = ByteCursor(begin)
        cursor.put(time)
        digits = cursor.place - begin - 9
        cursor.put(TimelineLiteral.time)
        date.put(from: 0, &cursor)
        cursor.put(nanoseconds: time &- unixSecond)
        cursor.put(#"Z""#)
        hold(time, unix)
        // In the first second since boot the time has fewer than ten digits, so its text is not
        // kept.
        if second == 0 { length = 0 }
        let end = cursor.place
        withUnsafeMutableBytes(of: &text) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: begin, count: end - begin))
        }
        return end
    }

    /// Sets which times around this one have its text: as far as neither clock begins another
    /// second or wraps.
    private mutating func hold(_ time: UInt64, _ unix: Int64) {
        let before = min(time &- second, time &- unixSecond, UInt64(bitPattern: unix &- .min))
        let after = min(
            999_999_999 &- (time &- second), 999_999_999 &- (time &- unixSecond), UInt64(bitPattern: .max &- unix),
            .max - time)
        first = time &- before
        length = before &+ after &+ 1
    }
}
