// SPDX-License-Identifier: Apache-2.0
/// A duration on the command line: `500ms`, `90s`, `15m`, `2h`; a number without a unit is seconds.
package struct DurationArgument: Equatable {
    package var nanoseconds: UInt64

    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    package init?(argument: String) {
        let units: [(String, UInt64)] = [
            ("ms", 1_000_000), ("us", 1000), ("ns", 1), ("s", 1_000_000_000), ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ]
        let unit = units.first { argument.hasSuffix($0.0) } ?? ("", 1_000_000_000)
        guard let value = Double(argument.dropLast(unit.0.count)), value >= 0, value * Double(unit.1) < 1e18 else {
            return nil
        }
        nanoseconds = UInt64(value * Double(unit.1))
    }
}

/// A point in time on the command line: nanoseconds since boot, `+DURATION` since tracing began, or
/// RFC 3339 in UTC.
package enum MomentArgument: Equatable {
    case sinceBoot(UInt64)
    case sinceBegin(UInt64)
    case unix(Int64)

    package init?(argument: String) {
        if argument.hasPrefix("+"), let duration = DurationArgument(argument: String(argument.dropFirst())) {
            self = .sinceBegin(duration.nanoseconds)
        } else if let value = UInt64(argument) {
            self = .sinceBoot(value)
        } else if let unix = Self.parse(argument) {
            self = .unix(unix)
        } else {
            return nil
        }
    }

    package func sinceBoot(began: UInt64, clockOffset: Int64) -> UInt64 {
        switch self {
        case .sinceBoot(let time): time
        case .sinceBegin(let time): began + time
        case .unix(let time): UInt64(max(0, time - clockOffset))
        }
    }

    /// `2026-05-01T03:12:07Z`, optionally with a fraction of up to nine digits.
    private static func parse(_ text: String) -> Int64? {
        guard text.hasSuffix("Z") else { return nil }
        let halves = text.dropLast().split(separator: "T")
        guard halves.count == 2 else { return nil }
        let date = halves[0].split(separator: "-").compactMap { Int64($0) }
        let clock = halves[1].split(separator: ":")
        guard date.count == 3, clock.count == 3, let hour = Int64(clock[0]), let minute = Int64(clock[1]),
            (1...12).contains(date[1]), (1...31).contains(date[2])
        else { return nil }
        let seconds = clock[2].split(separator: ".", maxSplits: 1)
        guard let second = Int64(seconds[0]) else { return nil }
        let fraction = seconds.count == 2 ? String((seconds[1] + "000000000").prefix(9)) : "0"
        guard let nanoseconds = Int64(fraction) else { return nil }
        // Days from civil date, the proleptic Gregorian calendar.
        let year = date[1] <= 2 ? date[0] - 1 : date[0]
        let era = year / 400, yearOfEra = year - era * 400
        let dayOfYear = (153 * (date[1] + (date[1] > 2 ? -3 : 9)) + 2) / 5 + date[2] - 1
        let days = era * 146097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719468
        return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000_000 + nanoseconds
    }
}
