// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Commands

/// Tests how durations and times on the command line are parsed.
@Suite("Times on the command line")
struct TimeArgumentsTests {
    @Test(
        arguments: [
            ("500ms", 500_000_000), ("90s", 90_000_000_000), ("15m", 900_000_000_000), ("2h", 7_200_000_000_000),
            ("3", 3_000_000_000), ("1.5s", 1_500_000_000), ("7us", 7000), ("9ns", 9), ("0", 0),
        ] as [(String, UInt64)])
    func durations(_ text: String, _ nanoseconds: UInt64) {
        #expect(DurationArgument(argument: text)?.nanoseconds == nanoseconds)
    }

    @Test(arguments: ["", "s", "-1s", "1 s", "1d", "nan", "inf", "1e30h", "ms"])
    func noDurations(_ text: String) { #expect(DurationArgument(argument: text) == nil) }

    @Test func momentsAreSinceBootSinceTheBeginningOrOnTheClock() {
        #expect(MomentArgument(argument: "123") == .sinceBoot(123))
        #expect(MomentArgument(argument: "+1.5s") == .sinceBegin(1_500_000_000))
        #expect(MomentArgument(argument: "1970-01-01T00:00:01Z") == .unix(1_000_000_000))
        #expect(MomentArgument(argument: "2024-02-29T12:00:00.25Z") == .unix(1_709_208_000_250_000_000))
    }

    @Test(arguments: [
        "+", "+x", "2024-01-01", "2024-01-01T00:00:00", "2024-13-01T00:00:00Z", "2024-01-01T00:00Z", "-5",
    ])
    func noMoments(_ text: String) { #expect(MomentArgument(argument: text) == nil) }

    @Test func aMomentIsCountedFromBoot() {
        #expect(MomentArgument.sinceBoot(5).sinceBoot(began: 100, clockOffset: 1000) == 5)
        #expect(MomentArgument.sinceBegin(5).sinceBoot(began: 100, clockOffset: 1000) == 105)
        #expect(MomentArgument.unix(1005).sinceBoot(began: 100, clockOffset: 1000) == 5)
        #expect(MomentArgument.unix(5).sinceBoot(began: 100, clockOffset: 1000) == 0)
    }
}
