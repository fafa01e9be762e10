// SPDX-License-Identifier: Apache-2.0
/// The text of the second that was written last: events come in bursts, and its date is the costly
/// part.
struct SecondCache {
    var second = Int64.min
    /// `2026-10-05T12:34:56.`
    var text = InlineArray<20, UInt8>(repeating: 0)

    mutating func fill(_ second: Int64) {
        let day = second.flooredQuotient(86_400)
        let secondOfDay = second - day * 86_400
        let date = CivilDate(daysSinceEpoch: day)
        self.second = second
        put(UInt64(date.year), 4, at: 0)
        text[4] = UInt8(ascii: "-")
        put(UInt64(date.month), 2, at: 5)
        text[7] = UInt8(ascii: "-")
        put(UInt64(date.day), 2, at: 8)
        text[10] = UInt8(ascii: "T")
        put(UInt64(secondOfDay / 3600), 2, at: 11)
        text[13] = UInt8(ascii: ":")
        put(UInt64(secondOfDay / 60 % 60), 2, at: 14)
        text[16] = UInt8(ascii: ":")
        put(UInt64(secondOfDay % 60), 2, at: 17)
        text[19] = UInt8(ascii: ".")
    }

    /// Writes the text from one of its bytes on.
    @inline(__always)
    func put(from index: Int, _ cursor: inout ByteCursor) {
        withUnsafeBytes(of: text) { cursor.put($0.baseAddress! + index, of: 20 - index, count: 20 - index) }
    }

    private mutating func put(_ value: UInt64, _ digits: Int, at position: Int) {
        var rest = value
        for index in stride(from: position + digits - 1, through: position, by: -1) {
            text[index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }
}

/// A day of the proleptic Gregorian calendar.
struct CivilDate: Equatable {
    var year: Int64
    var month: Int64
    var day: Int64

    /// Howard Hinnant's `civil_from_days` (howardhinnant.github.io/date_algorithms.html): eras of
    /// 400 years that begin on 1 March.
    init(daysSinceEpoch: Int64) {
        let shifted = daysSinceEpoch + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }
}

extension Int64 {
    func flooredQuotient(_ divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

extension ByteWriter {
    /// Appends RFC 3339 in UTC with nine decimals: `2026-10-05T12:34:56.000000789Z`.
    ///
    /// - Parameter unixNanoseconds: since 1970; every Int64 is a time between 1677 and 2262.
    public mutating func append(time unixNanoseconds: Int64) {
        let nanoseconds = fillCache(unixNanoseconds)
        var cursor = room(30)
        secondCache.put(from: 0, &cursor)
        cursor.put(nanoseconds: nanoseconds)
        cursor.put("Z")
        commit(cursor)
    }

    /// Appends the time of day in UTC, `12:34:56.789`; the rest of the millisecond is cut off.
    public mutating func append(timeOfDay unixNanoseconds: Int64) {
        let nanoseconds = fillCache(unixNanoseconds)
        var cursor = room(12)
        secondCache.put(from: 11, &cursor)
        cursor.put(nanoseconds / 1_000_000, digits: 3)
        commit(cursor)
    }

    /// Makes the cache that of the second; returns the nanoseconds within it.
    private mutating func fillCache(_ unixNanoseconds: Int64) -> UInt64 {
        let second = unixNanoseconds.flooredQuotient(1_000_000_000)
        if second != secondCache.second { secondCache.fill(second) }
        return UInt64(bitPattern: unixNanoseconds &- second &* 1_000_000_000)
    }
}
