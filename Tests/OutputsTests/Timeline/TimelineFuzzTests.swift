// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing
@testable import Outputs

/// Damaged timelines are read as far as they go, every broken line is reported, and nothing
/// crashes.
@Suite struct TimelineFuzzTests {
    private let whole = History.sample().timeline(showVaddr: true)

    /// Reads what it can, applies and writes it again.
    private func survive(_ bytes: [UInt8]) { _ = try? History(timeline: bytes).timeline() }

    @Test(arguments: 0..<300) func flippedBits(seed: Int) {
        var random = Random(seed: UInt64(seed))
        var bytes = whole
        for _ in 0..<(1 + random.below(20)) { bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8)) }
        survive(bytes)
    }

    @Test(arguments: 0..<150) func splicedPieces(seed: Int) {
        var random = Random(seed: UInt64(seed))
        var bytes = whole
        for _ in 0..<8 {
            let from = random.below(bytes.count), length = random.below(200), to = random.below(bytes.count)
            let piece = bytes[from..<min(bytes.count, from + length)]
            if random.chance(50) {
                bytes.insert(contentsOf: piece, at: to)
            } else {
                bytes.removeSubrange(from..<min(bytes.count, from + length))
            }
            if bytes.isEmpty { return }
        }
        survive(bytes)
    }

    @Test(arguments: 0..<150) func replacedNumbers(seed: Int) {
        let numbers = [
            "0", "-1", "18446744073709551615", "18446744073709551616", "1e9", "-9223372036854775808", "4294967296",
            "0.5", "null", "\"0xffffffffffffffff\"",
        ]
        var random = Random(seed: UInt64(seed))
        var all = lines(whole)
        for _ in 0..<10 {
            let at = random.below(all.count)
            var fields = all[at].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            let field = 1 + random.below(max(1, fields.count - 1))
            guard field < fields.count, let comma = fields[field].firstIndex(of: ",") else { continue }
            fields[field] = numbers[random.below(numbers.count)] + fields[field][comma...]
            all[at] = fields.joined(separator: ":")
        }
        survive(Array((all.joined(separator: "\n") + "\n").utf8))
    }

    @Test func everyLengthOfFile() throws {
        let header = whole.firstIndex(of: 0x0a)!
        for length in stride(from: header + 1, to: whole.count - 1, by: 37) {
            let cut = try History(timeline: Array(whole[0..<length]))
            #expect(cut.evidence.defects.last == "the timeline ends without a summary: it was cut short")
        }
        for length in stride(from: 0, through: header - 1, by: 13) {
            #expect(throws: TimelineError.self) { try History(timeline: Array(whole[0..<length])) }
        }
    }
}
