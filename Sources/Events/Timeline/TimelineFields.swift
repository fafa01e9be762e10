// SPDX-License-Identifier: Apache-2.0
/// The known fields of one JSON object, found by word. One pass over the text fills them, and
/// copies nothing.
///
/// One is used for line after line; a field belongs to the present object if its `round` is the
/// present one. The line's bytes must outlive the use.
///
/// Invariant: `slots` has one value for each word, in the order of their ordinals.
final class TimelineFields {
    private let slots: UnsafeMutablePointer<TimelineScanner.Value>
    private static let slotCount = TimelineWord.allCases.count
    private var round: UInt32 = 0
    private var base: UnsafePointer<UInt8>
    private var room = 0
    /// Offset of the object's first byte, for faults about the object as a whole.
    private(set) var start = 0
    private let words: TimelineWords

    init(words: TimelineWords) {
        self.words = words
        base = UnsafePointer(bitPattern: 1)!
        slots = .allocate(capacity: Self.slotCount)
        slots.initialize(repeating: TimelineScanner.Value(), count: Self.slotCount)
    }

    deinit { slots.deallocate() }

    /// Scans the object that begins at the scanner's offset, and stops behind it. Of equal keys the
    /// last one counts. O(bytes).
    func fill(_ scanner: inout TimelineScanner) throws(TimelineFault) {
        base = scanner.base
        start = scanner.offset
        room = scanner.room
        round &+= 1
        if round == 0 { forget() }
        guard scanner.skip(ascii: "{") else { throw scanner.fault("an object") }
        scanner.skipSpace()
        if scanner.skip(ascii: "}") { return }
        // A copy, so that it stays in registers.
        var ahead = scanner
        defer { scanner.offset = ahead.offset }
        let round = round, slots = slots, words = words
        while true {
            ahead.skipSpace()
            let word: TimelineWord?
            if ahead.base[ahead.offset] == UInt8(ascii: "\""),
                let (known, length) = words.findQuoted(ahead.base + ahead.offset + 1)
            {
                ahead.offset &+= length &+ 2
                word = known
            } else {
                _ = try ahead.string()
                word = nil
            }
            if !ahead.skip(ascii: ":") {
                ahead.skipSpace()
                guard ahead.skip(ascii: ":") else { throw ahead.fault("':'") }
            }
            ahead.skipSpace()
            var value = try ahead.value()
            value.round = round
            if let word { slots[word.ordinal] = value }
            if ahead.skip(ascii: ",") { continue }
            ahead.skipSpace()
            if ahead.skip(ascii: "}") { return }
            guard ahead.skip(ascii: ",") else { throw ahead.fault("',' or '}'") }
        }
    }

    private func forget() {
        for index in 0..<Self.slotCount { slots[index].round = 0 }
        round = 1
    }

    /// The value of a field; nil if the object does not have it, or has null.
    @inline(__always)
    func value(_ word: TimelineWord) -> TimelineScanner.Value? {
        let value = slots[word.ordinal]
        return value.round == round && value.kind != .null ? value : nil
    }

    func missing(_ expected: StaticString) -> TimelineFault { TimelineFault(offset: start, expected: expected) }

    // MARK: Numbers

    /// A number 0 … 2⁶⁴-1; nil for a field that the object does not have.
    @inline(__always)
    func unsigned(_ word: TimelineWord) throws(TimelineFault) -> UInt64? {
        guard let value = value(word) else { return nil }
        guard value.kind == .unsigned else {
            throw TimelineFault(offset: value.start, expected: "an integer from 0 to 2^64-1")
        }
        return value.magnitude
    }

    @inline(__always)
    func unsigned32(_ word: TimelineWord) throws(TimelineFault) -> UInt32? {
        guard let number = try unsigned(word) else { return nil }
        guard let small = UInt32(exactly: number) else {
            throw TimelineFault(offset: slots[word.ordinal].start, expected: "an integer from 0 to 2^32-1")
        }
        return small
    }

    func signed(_ word: TimelineWord) throws(TimelineFault) -> Int64? {
        guard let value = value(word) else { return nil }
        switch value.kind {
        case .unsigned where value.magnitude <= UInt64(Int64.max): return Int64(value.magnitude)
        case .negative where value.magnitude <= UInt64(Int64.max) + 1:
            return Int64(truncatingIfNeeded: 0 &- value.magnitude)
        default: throw TimelineFault(offset: value.start, expected: "an integer from -2^63 to 2^63-1")
        }
    }

    /// 0 or a negative errno.
    @inline(__always)
    func result(_ word: TimelineWord) throws(TimelineFault) -> Int32? {
        guard let number = try signed(word) else { return nil }
        guard let small = Int32(exactly: number) else {
            throw TimelineFault(offset: slots[word.ordinal].start, expected: "an integer of 32 bits")
        }
        return small
    }

    func bool(_ word: TimelineWord) throws(TimelineFault) -> Bool? {
        guard let value = value(word) else { return nil }
        switch value.kind {
        case .yes: return true
        case .no: return false
        default: throw TimelineFault(offset: value.start, expected: "true or false")
        }
    }

    /// `"0x…"`: 1 to 16 hex digits.
    @inline(__always)
    func hex(_ word: TimelineWord) throws(TimelineFault) -> UInt64? {
        guard let value = value(word) else { return nil }
        let length = value.end &- value.start
        guard value.kind == .string, length >= 3, length <= 18, base[value.start] == UInt8(ascii: "0"),
            base[value.start &+ 1] == UInt8(ascii: "x")
        else {
            throw TimelineFault(offset: value.start, expected: "a hex string such as \"0x80000000\"")
        }
        var scanner = TimelineScanner(base, room: room, offset: value.start &+ 2)
        let number = scanner.hexNumber()
        guard let number, scanner.offset == value.end else { throw scanner.fault("a hex digit") }
        return number
    }

    // MARK: Names

    /// A fixed value; nil for a field that the object does not have, a fault for a value that is
    /// not among the words that the reader knows.
    @inline(__always)
    func word(_ key: TimelineWord) throws(TimelineFault) -> TimelineWord? {
        guard let value = value(key) else { return nil }
        guard value.kind == .string, let word = words.find(base + value.start, value.end &- value.start) else {
            throw TimelineFault(offset: value.start, expected: "a value that this version knows")
        }
        return word
    }

    /// `"c12"` as 12.
    @inline(__always)
    func container(_ key: TimelineWord) throws(TimelineFault) -> UInt32? {
        guard let value = value(key) else { return nil }
        let length = value.end &- value.start
        guard value.kind == .string, length >= 2, length <= 11, base[value.start] == UInt8(ascii: "c") else {
            throw TimelineFault(offset: value.start, expected: "a container such as \"c1\"")
        }
        var number: UInt64 = 0
        for offset in (value.start &+ 1)..<value.end {
            let digit = base[offset] &- UInt8(ascii: "0")
            guard digit < 10 else { throw TimelineFault(offset: offset, expected: "a container such as \"c1\"") }
            number = number &* 10 &+ UInt64(digit)
        }
        guard let small = UInt32(exactly: number) else {
            throw TimelineFault(offset: value.start, expected: "a container such as \"c1\"")
        }
        return small
    }

    /// `"0000:02:00.0"`.
    func device(_ key: TimelineWord) throws(TimelineFault) -> PCIAddress? {
        guard let value = value(key) else { return nil }
        guard value.kind == .string, let device = pciAddress(value) else {
            throw TimelineFault(offset: value.start, expected: "a PCI address such as \"0000:02:00.0\"")
        }
        return device
    }

    /// `dddd:bb:dd.f`, the domain of 4 to 8 digits; without the allocations of
    /// `PCIAddress.init?(_:)`.
    private func pciAddress(_ value: TimelineScanner.Value) -> PCIAddress? {
        let length = value.end - value.start
        guard length >= 12, length <= 16 else { return nil }
        let text = base + value.start
        let tail = length - 8
        guard text[tail] == UInt8(ascii: ":"), text[tail + 3] == UInt8(ascii: ":"), text[tail + 6] == UInt8(ascii: ".")
        else { return nil }
        var digits: UInt64 = 0
        for index in 0..<length where index != tail && index != tail + 3 && index != tail + 6 {
            guard let digit = hexDigitValue(text[index]) else { return nil }
            digits = digits << 4 | UInt64(digit)
        }
        let (function, slot, bus) = (digits & 15, digits >> 4 & 0xff, digits >> 12 & 0xff)
        guard function <= 7, slot <= 0x1f else { return nil }
        return PCIAddress(packed: (digits >> 20) << 16 | bus << 8 | slot << 3 | function)
    }

    // MARK: Text and nested values

    /// The first `capacity` bytes of a string, cut between characters. Allocates only for a string
    /// with escapes.
    @inline(__always)
    func text<let capacity: Int>(_ key: TimelineWord) throws(TimelineFault) -> InlineText<capacity>? {
        guard let value = value(key) else { return nil }
        if value.kind == .string {
            return InlineText(
                copying: base + value.start,
                count: wholeCharacters(base + value.start, value.end &- value.start, limit: capacity))
        }
        guard value.kind == .escapedString else { throw TimelineFault(offset: value.start, expected: "a string") }
        let unescaped = Array(TimelineText.unescape(base + value.start, value.end - value.start).utf8)
        return unescaped.withUnsafeBufferPointer {
            guard let start = $0.baseAddress else { return InlineText() }
            return InlineText(copying: start, count: wholeCharacters(start, $0.count, limit: capacity))
        }
    }

    func comm(_ key: TimelineWord) throws(TimelineFault) -> Comm? {
        if let value = value(key), value.kind == .string, value.end &- value.start <= 16 {
            return Comm(unterminated: base + value.start, count: value.end &- value.start)
        }
        return (try text(key) as InlineText<16>?).map { Comm($0) }
    }

    func string(_ key: TimelineWord) throws(TimelineFault) -> String? {
        guard let value = value(key) else { return nil }
        guard value.kind == .string || value.kind == .escapedString else {
            throw TimelineFault(offset: value.start, expected: "a string")
        }
        return TimelineText.unescape(base + value.start, value.end - value.start)
    }

    /// A scanner at the `[` of an array whose grammar has been checked; nil for a field that the
    /// object does not have.
    func array(_ key: TimelineWord) throws(TimelineFault) -> TimelineScanner? {
        guard let value = value(key) else { return nil }
        guard value.kind == .array else { throw TimelineFault(offset: value.start, expected: "an array") }
        return TimelineScanner(base, room: room, offset: value.start)
    }

    @inline(__always)
    private func wholeCharacters(_ text: UnsafePointer<UInt8>, _ length: Int, limit: Int) -> Int {
        guard length > limit else { return length }
        var end = limit
        while end > 0, text[end] & 0xc0 == 0x80 { end -= 1 }
        return end
    }
}

enum TimelineText {
    /// The text of a JSON string whose escapes are sound; lone surrogates and invalid UTF-8 become
    /// U+FFFD.
    static func unescape(_ base: UnsafePointer<UInt8>, _ count: Int) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        var index = 0
        while index < count {
            guard base[index] == UInt8(ascii: "\\"), index + 1 < count else {
                bytes.append(base[index])
                index += 1
                continue
            }
            switch Unicode.Scalar(base[index + 1]) {
            case "b": bytes.append(0x08)
            case "f": bytes.append(0x0c)
            case "n": bytes.append(UInt8(ascii: "\n"))
            case "r": bytes.append(UInt8(ascii: "\r"))
            case "t": bytes.append(UInt8(ascii: "\t"))
            case "u":
                var code = codeUnit(base, count, at: index)
                index += 6
                if code & 0xfc00 == 0xd800, index + 6 <= count, base[index] == UInt8(ascii: "\\"),
                    base[index + 1] == UInt8(ascii: "u")
                {
                    let low = codeUnit(base, count, at: index)
                    if low & 0xfc00 == 0xdc00 {
                        code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff)
                        index += 6
                    }
                }
                bytes.append(contentsOf: String(Unicode.Scalar(code) ?? "\u{fffd}").utf8)
                continue
            default: bytes.append(base[index + 1])
            }
            index += 2
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The code unit of `\uXXXX` at `index`.
    private static func codeUnit(_ base: UnsafePointer<UInt8>, _ count: Int, at index: Int) -> UInt32 {
        var code: UInt32 = 0
        for offset in 2..<6 where index + offset < count {
            code = code << 4 | UInt32(hexDigitValue(base[index + offset]) ?? 0)
        }
        return code
    }
}
