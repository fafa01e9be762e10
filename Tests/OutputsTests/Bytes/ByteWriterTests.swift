// SPDX-License-Identifier: Apache-2.0
import Events
import Testing
@testable import Outputs

/// Numbers, times and text as the byte writer spells them.
@Suite struct ByteWriterTests {
    private func written(_ body: (inout ByteWriter) -> Void) -> String { text(ByteWriter.gather(body)) }

    @Test(arguments: [
        0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 99_999, 123_456_789, UInt64(Int64.max), .max - 1, .max,
    ])
    func decimalAndHex(value: UInt64) {
        #expect(written { $0.append(value) } == String(value))
        #expect(written { $0.append(hex: value) } == "0x" + String(value, radix: 16))
    }

    @Test func everyLengthOfNumber() {
        var value: UInt64 = 1
        for _ in 0..<64 {
            for near in [value - 1, value, value + 1] {
                #expect(written { $0.append(near) } == String(near))
                #expect(written { $0.append(hex: near) } == "0x" + String(near, radix: 16))
            }
            value = value &* 2
        }
    }

    @Test(arguments: [0, -1, 1, Int64.min, .max]) func signed(value: Int64) {
        #expect(written { $0.append(value) } == String(value))
    }

    @Test func fixedWidth() {
        #expect(written { $0.append(42 as UInt64, digits: 5) } == "00042")
        #expect(written { $0.append(123_456 as UInt64, digits: 3) } == "456")
        #expect(written { $0.append(hex: 0xabc, digits: 2) } == "bc")
        #expect(written { $0.append(hex: 0xa, digits: 16, prefixed: true) } == "0x000000000000000a")
    }

    @Test func grouped() {
        let expected: [UInt64: String] = [
            0: "0", 999: "999", 1000: "1,000", 70_123: "70,123", 1_002_030: "1,002,030",
            .max: "18,446,744,073,709,551,615",
        ]
        for (value, text) in expected { #expect(written { $0.append(grouped: value) } == text) }
    }

    @Test func linesReachTheSinkWhole() {
        var chunks: [String] = []
        withoutActuallyEscaping({ (bytes: UnsafeRawBufferPointer) in chunks.append(text(Array(bytes))) }) { sink in
            var writer = ByteWriter(threshold: 16, sink: sink)
            for index in 0..<20 as Range<UInt64> {
                writer.append("line ")
                writer.append(index)
                writer.endLine()
            }
            writer.append("rest")
            #expect(writer.total == 20 * 7 + 10 + 4)
            writer.flush()
            writer.flush()
        }
        #expect(chunks.dropLast().allSatisfy { $0.hasSuffix("\n") && $0.utf8.count >= 16 })
        #expect(chunks.last == "rest" || chunks.last!.hasSuffix("rest"))
        #expect(chunks.joined() == (0..<20).map { "line \($0)\n" }.joined() + "rest")
    }

    @Test func growsBeyondItsThreshold() {
        let long = String(repeating: "0123456789", count: 20_000)
        #expect(
            written {
                $0.append(string: long); $0.append("!")
            } == long + "!")
    }

    // MARK: JSON

    @Test func escapes() {
        func json(_ value: String) -> String { written { $0.append(json: value) } }
        #expect(json("") == #""""#)
        #expect(json("plain é € 𐍈 /") == #""plain é € 𐍈 /""#)
        #expect(json("\"\\\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}") == #""\"\\\n\r\t\b\f\u0000\u001f\u007f""#)
    }

    /// A text of kernel bytes that need not be UTF-8.
    private func comm(_ bytes: [UInt8]) -> Comm {
        bytes.withUnsafeBytes { Comm(copying: $0.baseAddress!, count: $0.count) }
    }

    @Test(
        arguments: [
            ([0x61, 0xff, 0x62], "a\u{fffd}b"), ([0xc3], "\u{fffd}"), ([0xc3, 0xa9], "é"),
            ([0xc0, 0xaf], "\u{fffd}\u{fffd}"),
            ([0xed, 0xa0, 0x80], "\u{fffd}\u{fffd}\u{fffd}"), ([0xe2, 0x82, 0xac], "€"),
            ([0xe2, 0x82], "\u{fffd}\u{fffd}"),
            ([0xf4, 0x90, 0x80, 0x80], "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"), ([0xf0, 0x90, 0x8d, 0x88], "𐍈"),
            ([0xe0, 0x80, 0x80], "\u{fffd}\u{fffd}\u{fffd}"),
        ] as [([UInt8], String)])
    func brokenUTF8(bytes: [UInt8], expected: String) {
        #expect(written { $0.append(json: comm(bytes)) } == "\"\(expected)\"")
    }

    /// Replacement makes text longer; it is cut so that it fits where it came from, and is the same
    /// after any number of rounds.
    @Test func replacedTextFits() {
        let broken = comm(Array(repeating: 0xff, count: 16))
        let once = written { $0.append(json: broken) }
        #expect(once == "\"\(String(repeating: "\u{fffd}", count: 5))\"")
        #expect(written { $0.append(json: Comm(once.dropFirst().dropLast())) } == once)
    }

    @Test func textCannotDriveATerminal() {
        #expect(written { $0.append(text: comm(Array("a\u{1b}[31m\n".utf8))) } == "a\u{fffd}[31m\u{fffd}")
        #expect(written { $0.append(text: "\u{9b}31mé") } == "\u{fffd}31mé")
    }

    @Test func xml() {
        #expect(
            written { $0.append(xml: "<a & \"b\"> 'é'\u{0}\u{1b}") }
                == "&lt;a &amp; &quot;b&quot;&gt; &#39;é&#39;\u{fffd}\u{fffd}")
    }

    // MARK: Times

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000000Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
            (1_790_000_000_123_456_789, "2026-09-21T14:13:20.123456789Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (4_107_542_399_000_000_001, "2100-02-28T23:59:59.000000001Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (Int64.max, "2262-04-11T23:47:16.854775807Z"),
            (Int64.min, "1677-09-21T00:12:43.145224192Z"),
        ] as [(Int64, String)])
    func time(nanoseconds: Int64, expected: String) {
        #expect(written { $0.append(time: nanoseconds) } == expected)
        #expect(written { $0.append(timeOfDay: nanoseconds) } == String(expected.dropFirst(11).prefix(12)))
    }

    @Test func timesInAnyOrder() {
        let second: Int64 = 1_000_000_000
        let all = written { out in
            for time in [0, 5 * second, second + 1, second, -second, 0] { out.append(time: time); out.append(" ") }
        }
        #expect(
            all
                == [0, 5, 1, 1, -1, 0].enumerated().map { index, value in
                    value < 0
                        ? "1969-12-31T23:59:59.000000000Z "
                        : "1970-01-01T00:00:0\(value).00000000\(index == 2 ? 1 : 0)Z "
                }.joined())
    }

    @Test func everyDayOfFourCenturies() {
        var date = (year: Int64(1900), month: Int64(1), day: Int64(1))
        for day in -25567..<120_530 as Range<Int64> {
            let found = CivilDate(daysSinceEpoch: day)
            guard found.year == date.year, found.month == date.month, found.day == date.day else {
                Issue.record("day \(day): \(found), not \(date)")
                return
            }
            let isLeap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0)
            let length = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][Int(date.month) - 1]
            date.day += 1
            if date.day > length { date = (date.year, date.month + 1, 1) }
            if date.month > 12 { date = (date.year + 1, 1, 1) }
        }
    }

    // MARK: Quantities

    @Test(
        arguments: [
            (0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1 KiB"), (4096, "4 KiB"), (1536, "1.5 KiB"),
            (1 << 20, "1 MiB"), (1 << 20 + 4096, "1028 KiB"),
            (10 << 20 + 4096, "10.0 MiB"), (16 << 30, "16 GiB"), (3 << 29, "1.5 GiB"), (UInt64.max, "15.9 EiB"),
            (1 << 63, "8 EiB"),
        ] as [(UInt64, String)])
    func sizes(bytes: UInt64, expected: String) { #expect(written { $0.append(size: bytes) } == expected) }

    @Test(
        arguments: [
            (0, "0 µs"), (350_999, "350 µs"), (12_000_000, "12 ms"), (1_000_000_000, "1 s"), (1_299_999_999, "1.2 s"),
            (59_999_999_999, "59.9 s"),
            (185_000_000_000, "3 min 5 s"), (7_380_000_000_000, "2 h 3 min"), (349_200_000_000_000, "4 d 1 h"),
            (UInt64.max, "213503 d 23 h"),
        ] as [(UInt64, String)])
    func durations(nanoseconds: UInt64, expected: String) {
        #expect(written { $0.append(duration: nanoseconds) } == expected)
    }

    @Test func ranges() {
        #expect(written { $0.append(iova: 0x8000_0000, size: 0x10_0000) } == "0x80000000-0x800fffff")
        #expect(written { $0.append(iova: .max - 4095, size: 4096) } == "0xfffffffffffff000-0xffffffffffffffff")
        #expect(written { $0.append(iova: 0, size: .max) } == "0x0-0xfffffffffffffffe")
        #expect(written { $0.append(iova: 16, size: 0) } == "0x10-")
    }

    @Test func columns() {
        #expect(
            written {
                $0.append(string: "é"); $0.pad(from: 0, to: 4); $0.append("|")
            } == "é   |")
        #expect(
            written {
                $0.append(string: "abcdef"); $0.cut(from: 0, to: 4)
            } == "abc…")
        #expect(
            written {
                $0.append(string: "äöüß"); $0.cut(from: 0, to: 4)
            } == "äöüß")
        #expect(
            written {
                $0.append(string: "a  "); $0.trimSpaces()
            } == "a")
        #expect(
            written {
                $0.append(string: "   "); $0.trimSpaces()
            } == "")
    }

    @Test func pciAddresses() {
        for address in ["0000:02:00.0", "ffff:ff:1f.7", "10000:01:02.3"] {
            #expect(written { $0.append(PCIAddress(address)!) } == address)
        }
    }
}
