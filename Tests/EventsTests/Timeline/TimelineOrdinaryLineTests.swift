// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing
@testable import Events

// Tests that the short way of ordinary lines leads to the same events as the general way.

private let header = #"{"type":"header","schema":"vfioscope.timeline/1","t":5,"hooks":[],"devices":[]}"#
private let summary = #"{"type":"summary","t":99,"attempted":10,"delivered":10,"lost":0}"#

/// Reads lines between a header and a summary. Returns the events and the defects.
///
/// - Parameter generally: puts a space in front of each line, so that it is read the general way.
///   Reported columns do not count the space.
private func outcome(
    _ given: [[UInt8]], generally: Bool = false,
    ordinary: (OrdinaryRecord, OrdinaryRecord.Details) -> Void = { _, _ in }
) throws -> [String] {
    let lines = generally ? given.map { [0x20] + $0 } : given
    let bytes = Array(([Array(header.utf8)] + lines + [Array(summary.utf8)]).joined(separator: [0x0a])) + [0x0a]
    var reader = TimelineReader()
    var found: [String] = []
    try bytes.withUnsafeBytes { bytes in
        try reader.read(
            bytes,
            ordinary: { record, details in
                ordinary(record, details)
                found.append("\(Event(record, details))")
            }, { found.append("\($0)") })
    }
    try reader.finish { found.append("\($0)") }
    guard generally else { return found + reader.evidence.defects }
    return found
        + reader.evidence.defects.map { defect in
            let words = defect.split(separator: " ", omittingEmptySubsequences: false)
            return (words.dropLast() + ["\(Int(words.last!)! - 1)"]).joined(separator: " ")
        }
}

/// The fields of one ordinary line, as they are spelled.
private struct Line {
    var fields: [(String, String)]

    init(_ kind: OrdinaryRecord.Kind, _ random: inout SystemRandomNumberGenerator) {
        func number(_ limit: UInt64 = .max) -> UInt64 {
            switch UInt8.random(in: 0..<8, using: &random) {
            case 0: 0
            case 1: limit
            case 2: limit - UInt64.random(in: 0..<1000, using: &random)
            default: UInt64.random(in: 0...limit, using: &random) >> UInt64.random(in: 0..<63, using: &random)
            }
        }
        func hex() -> String { "\"0x" + String(number(), radix: 16, uppercase: Bool.random(using: &random)) + "\"" }
        func small() -> String { "\(number(UInt64(UInt32.max)))" }
        let size = number()
        fields = [("type", kind == .map ? "\"map\"" : "\"unmap\"")]
        if kind != .map { fields.append(("action", kind == .removal ? "\"removed\"" : "\"request\"")) }
        fields += [
            ("t", "\(number())"), ("time", "\"2023-11-14T22:30:00.000041989Z\""), ("pid", small()), ("tid", small()),
            ("start", "\(number())"),
            (
                "comm",
                [
                    "\"qemu\"", "\"\"", "\"qemu-system-x86\"", "\"sixteen-bytes-ab\"", "\"seventeen-bytes-é\"",
                    "\"a\\u0041\"",
                ].randomElement(using: &random)!
            ),
            ("uid", small()), ("cgroup", "\(number())"), ("container", "\"c\(number(UInt64(UInt32.max)))\""),
            ("iova", hex()), ("size", "\(size)"),
        ]
        switch kind {
        case .map:
            fields += [
                ("read", "true"), ("write", "\(Bool.random(using: &random))"), ("result", "0"), ("ram", "\(size)"),
                ("targets", "[]"),
                ("provenance", "\"observed\""),
            ]
            if Bool.random(using: &random) { fields.append(("began", "\(number())")) }
        case .removal: fields.append(("cause", "\"request\""))
        case .unmapRequest: fields += [("flags", "0"), ("requested", "\(size)"), ("result", "0")]
        }
    }

    func bytes(colon: String = ":", comma: String = ",") -> [UInt8] {
        Array(("{" + fields.map { "\"\($0)\"\(colon)\($1)" }.joined(separator: comma) + "}").utf8)
    }
}

private let kinds: [OrdinaryRecord.Kind] = [.map, .removal, .unmapRequest]

/// Tests that ordinary lines mean the same whether they are read the short or the general way.
@Suite struct TimelineOrdinaryLineTests {
    @Test(arguments: kinds) func sameAsTheGeneralWay(kind: OrdinaryRecord.Kind) throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var line = Line(kind, &random)
            // Twice, so that the second line finds the actor known.
            let expected = try outcome([line.bytes(), line.bytes()], generally: true)
            #expect(try outcome([line.bytes(), line.bytes()]) == expected)
            #expect(try outcome([line.bytes(colon: " : ", comma: " ,\t"), line.bytes()]) == expected)
            line.fields.shuffle()
            #expect(try outcome([line.bytes(), line.bytes()]) == expected)
        }
    }

    /// Whichever byte is changed, lost or doubled, both ways report the same.
    @Test(arguments: kinds) func damaged(kind: OrdinaryRecord.Kind) throws {
        var random = SystemRandomNumberGenerator()
        let line = Line(kind, &random).bytes(), other = Line(kind, &random).bytes()
        for at in line.indices {
            var lines = [line, Array(line[..<at])]
            for byte in [0x20, 0x22, 0x2c, 0x2e, 0x30, 0x39, 0x5c, 0x65, 0x7d, 0x00, 0xff, line[at] ^ 1]
            where byte != 0x0a {
                var damaged = line
                damaged[at] = byte
                lines.append(damaged)
            }
            var shorter = line, longer = line
            shorter.remove(at: at)
            longer.insert(line[at], at: at)
            lines += [shorter, longer, other]
            #expect(
                try outcome(lines) == outcome(lines, generally: true),
                "at \(at) of \(String(decoding: line, as: UTF8.self))")
        }
    }

    @Test func writersLinesAreOrdinary() throws {
        let start =
            #""time":"2023-11-14T22:30:00.000041989Z","pid":4000,"tid":4001,"start":900000000000,"#
            + #""comm":"qemu-system-x86","uid":0,"cgroup":5000,"container":"c7","#
        let lines = [
            #"{"type":"map","t":7,\#(start)"iova":"0x100eb2000","size":4096,"read":true,"write":false,"result":0,"#
                + #""ram":4096,"targets":[],"provenance":"observed","began":6}"#,
            #"{"type":"unmap","action":"removed","t":8,\#(start)"iova":"0x100eb2000","size":4096,"cause":"request"}"#,
            #"{"type":"unmap","action":"request","t":9,\#(start)"iova":"0x100eb2000","size":4096,"flags":0,"#
                + #""requested":4096,"result":0}"#,
        ]
        var found: [OrdinaryRecord] = []
        let events = try outcome(lines.map { Array($0.utf8) }) { record, details in
            found.append(record)
            #expect(details.actor.tid == 4001 && details.actor.comm.string == "qemu-system-x86")
        }
        #expect(events.count == 3 && found.map(\.kind) == kinds && found.map(\.time) == [7, 8, 9])
        #expect(found[0].began == 6 && !found[0].isWritable)
        for record in found {
            #expect(record.process == ProcessKey(pid: 4000, start: 900_000_000_000) && record.tid == 4001)
            #expect(record.iommu == IOMMUKey(7) && record.iova == 0x1_00eb_2000 && record.size == 4096)
        }
    }

    /// The scanner reads whole words, but never one that is outside the chunk.
    @Test func nothingIsReadBeyondTheChunk() throws {
        var random = SystemRandomNumberGenerator()
        let lines = kinds.flatMap { [Line($0, &random).bytes(), Line($0, &random).bytes()] }
        let bytes = Array(([Array(header.utf8)] + lines).joined(separator: [0x0a])) + [0x0a]
        let page = Int(getpagesize())
        let room = (bytes.count + page - 1) / page * page
        let base = try #require(mmap(nil, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(base, room + page) }
        #expect(mprotect(base + room, page, PROT_NONE) == 0)
        for length in (header.utf8.count + 1)...bytes.count {
            let chunk = UnsafeMutableRawBufferPointer(start: base + room - length, count: length)
            chunk.copyBytes(from: bytes[..<length])
            var reader = TimelineReader()
            var events = 0
            try reader.read(UnsafeRawBufferPointer(chunk)) { _ in events += 1 }
            #expect(events == bytes[..<length].count { $0 == 0x0a } - 1)
        }
    }
}

@Suite struct TimelineNumberTests {
    private func scan<T>(_ text: String, _ body: (inout TimelineScanner) -> T) -> (T, Int) {
        let bytes = Array(text.utf8) + [0x0a] + Array(repeating: 0x39, count: TimelineScanner.slack)
        return bytes.withUnsafeBufferPointer {
            var scanner = TimelineScanner($0.baseAddress!, room: $0.count)
            return (body(&scanner), scanner.offset)
        }
    }

    @Test func decimal() {
        var numbers: [UInt64] = [0, 5, 12_345_678, 123_456_789_012_345_678, 9_999_999_999_999_999_999]
        var power: UInt64 = 1
        for _ in 0..<19 {
            numbers += [power - 1, power, power + 1]
            power &*= 10
        }
        for number in numbers where number <= 9_999_999_999_999_999_999 {
            for behind in ["", ",", "}", "\"", "x", "\u{80}"] {
                let (found, offset) = scan("\(number)\(behind)") { $0.shortNumber() }
                #expect(found == number && offset == "\(number)".utf8.count, "\(number)\(behind)")
            }
        }
        for text in ["", "x1", "00", "01", "000000000", "18446744073709551615", "99999999999999999999", "/", ":"] {
            let (found, offset) = scan(text) { $0.shortNumber() }
            #expect(found == nil && offset == 0, "\(text)")
        }
    }

    @Test func hexadecimal() {
        for length in 1...16 {
            for text in [
                String(repeating: "f", count: length), String(repeating: "0", count: length),
                String("0123456789abcdef".prefix(length)), String("FEDCBA9876543210".prefix(length)),
            ] {
                for behind in ["", "\"", "g", "G", "@", "`", "/", ":", "\u{80}"] {
                    let (found, offset) = scan(text + behind) { $0.hexNumber() }
                    #expect(found == UInt64(text, radix: 16) && offset == length, "\(text)\(behind)")
                }
            }
        }
        for byte in UInt8.min...UInt8.max where byte != 0x0a {
            let bytes: [UInt8] = [byte, 0x22, 0x0a] + Array(repeating: 0, count: TimelineScanner.slack)
            let found = bytes.withUnsafeBufferPointer {
                var scanner = TimelineScanner($0.baseAddress!, room: $0.count)
                return scanner.hexNumber()
            }
            #expect(found == hexDigitValue(byte).map { UInt64($0) })
        }
    }
}
