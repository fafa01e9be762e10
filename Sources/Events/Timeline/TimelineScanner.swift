// SPDX-License-Identifier: Apache-2.0
/// Walks over the JSON text of one line; checks its grammar, and allocates nothing.
///
/// Offsets count from the line's first byte, so that faults can name a column. No loop checks a
/// bound, because the line feed ends each of them: it is neither space, nor digit, nor allowed
/// within a string. Invariant: `offset` is at the line feed or before it.
struct TimelineScanner {
    /// What a value is; its text is `start ..< end` of the line (a string's without the quotes).
    struct Value {
        enum Kind: UInt8 { case string, escapedString, unsigned, negative, fraction, yes, no, null, array, object }
        /// The magnitude of an integer.
        var magnitude: UInt64 = 0
        private var first: UInt32 = 0
        private var behind: UInt32 = 0
        /// Which object it belongs to, see `TimelineFields`.
        var round: UInt32 = 0
        var kind = Kind.null

        /// Lines end within a chunk (`TimelineReader.longestChunk`) or are shorter than that, so
        /// offsets fit.
        @inline(__always)
        var start: Int {
            get { Int(first) }
            set { first = UInt32(truncatingIfNeeded: newValue) }
        }
        @inline(__always)
        var end: Int {
            get { Int(behind) }
            set { behind = UInt32(truncatingIfNeeded: newValue) }
        }
    }

    static let deepest = 64
    /// Bytes that must be readable behind the line feed.
    static let slack = 64

    let base: UnsafePointer<UInt8>
    /// Bytes readable from `base` on.
    let room: Int
    var offset: Int

    /// - Precondition: a line feed comes at `offset` or later, and `slack` readable bytes behind
    ///   it.
    init(_ base: UnsafePointer<UInt8>, room: Int, offset: Int = 0) {
        self.base = base
        self.room = room
        self.offset = offset
    }

    func fault(_ expected: StaticString) -> TimelineFault { TimelineFault(offset: offset, expected: expected) }

    /// Whether the line ends here.
    var isAtEnd: Bool { base[offset] == UInt8(ascii: "\n") }

    @inline(__always)
    mutating func skipSpace() {
        while base[offset] <= UInt8(ascii: " ") {
            let byte = base[offset]
            guard byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r") else { return }
            offset &+= 1
        }
    }

    /// Steps over a character if it comes next.
    @inline(__always)
    mutating func skip(ascii character: Unicode.Scalar) -> Bool { skip(UInt8(ascii: character)) }

    /// Steps over `byte` if it comes next.
    @inline(__always)
    mutating func skip(_ byte: UInt8) -> Bool {
        guard base[offset] == byte else { return false }
        offset &+= 1
        return true
    }

    /// Steps over `text`, at most `slack` bytes, if it comes next.
    @inline(__always)
    mutating func skip(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        let expected = UnsafeRawPointer(text.utf8Start), found = UnsafeRawPointer(base + offset)
        if length < 8 {
            for index in 0..<length where base[offset &+ index] != text.utf8Start[index] { return false }
        } else {
            // Whole words. The last one may overlap its predecessor.
            var difference: UInt64 = 0
            var index = 0
            while index < length {
                let from = min(index, length &- 8)
                difference |=
                    found.loadUnaligned(fromByteOffset: from, as: UInt64.self)
                    ^ expected.loadUnaligned(fromByteOffset: from, as: UInt64.self)
                index &+= 8
            }
            guard difference == 0 else { return false }
        }
        offset &+= length
        return true
    }

    /// Steps over the rest of a string and its quote if nothing in it is escaped; returns where the
    /// text ends.
    @inline(__always)
    mutating func skipUnescapedText() -> Int? {
        while true {
            let found = Self.ends(eight(offset))
            if found != 0 {
                let end = offset &+ found.trailingZeroBitCount / 8
                guard base[end] == UInt8(ascii: "\"") else { return nil }
                offset = end &+ 1
                return end
            }
            offset &+= 8
        }
    }

    /// Eight bytes, the first one lowest.
    @inline(__always)
    func eight(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(base + offset).loadUnaligned(as: UInt64.self))
    }

    /// Scans a string whose quote comes next.
    @inline(__always)
    mutating func string() throws(TimelineFault) -> Value {
        guard skip(ascii: "\"") else { throw fault("a string") }
        var value = Value()
        value.kind = .string
        value.start = offset
        while true {
            let found = Self.ends(eight(offset))
            guard found != 0 else {
                offset &+= 8
                continue
            }
            offset &+= found.trailingZeroBitCount / 8
            if base[offset] == UInt8(ascii: "\"") {
                value.end = offset
                offset &+= 1
                return value
            }
            offset = try behindEscape()
            value.kind = .escapedString
        }
    }

    /// The top bit of the first byte that is `"`, `\` or below 0x20; the bits above it are
    /// meaningless.
    @inline(__always)
    private static func ends(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = (word ^ (ones &* 0x22)) &- ones, backslash = (word ^ (ones &* 0x5c)) &- ones,
            control = word &- ones &* 0x20
        return (quote | backslash | control) & ~word & (ones &* 0x80)
    }

    /// Offset behind the escape that comes next; a fault if another byte stands there that no
    /// string may have.
    @inline(never)
    private func behindEscape() throws(TimelineFault) -> Int {
        var scanner = self
        guard !isAtEnd else { throw fault("the end of a string") }
        guard scanner.skip(ascii: "\\") else { throw fault("no control character within a string") }
        switch Unicode.Scalar(base[scanner.offset]) {
        case "\"", "\\", "/", "b", "f", "n", "r", "t": scanner.offset &+= 1
        case "u":
            scanner.offset &+= 1
            for _ in 0..<4 {
                guard hexDigitValue(base[scanner.offset]) != nil else { throw scanner.fault("four hex digits") }
                scanner.offset &+= 1
            }
        case "\n": throw scanner.fault("the rest of an escape")
        default: throw scanner.fault("an escape of JSON")
        }
        return scanner.offset
    }

    /// Scans any value.
    @inline(__always)
    mutating func value() throws(TimelineFault) -> Value {
        let byte = base[offset]
        if byte == UInt8(ascii: "\"") { return try string() }
        if byte &- UInt8(ascii: "0") < 10 {
            var value = Value()
            value.start = offset
            if let magnitude = shortNumber(), !isFraction {
                value.magnitude = magnitude
                value.kind = .unsigned
                value.end = offset
                return value
            }
            offset = value.start
        }
        if byte == UInt8(ascii: "t"), eight(offset) & 0xffff_ffff == 0x6575_7274 { return short(.yes, 4) }
        if byte == UInt8(ascii: "f"), eight(offset) & 0xff_ffff_ffff == 0x65_736c_6166 { return short(.no, 5) }
        // A copy, so that this scanner itself stays in registers.
        var copy = self
        let value = try copy.otherValue(depth: 0)
        offset = copy.offset
        return value
    }

    /// Steps over a value whose bytes were recognised.
    @inline(__always)
    private mutating func short(_ kind: Value.Kind, _ length: Int) -> Value {
        var value = Value()
        value.kind = kind
        value.start = offset
        offset &+= length
        value.end = offset
        return value
    }
}
