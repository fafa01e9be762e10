/// Walks over the JSON text of one line; checks its grammar, and allocates nothing.
///
/// Offsets count from the line's first byte, so that faults can name a column. Invariant: `0 <= offset <= count`.
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

        /// Lines are shorter than `TimelineReader.longestLine`, so offsets fit.
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

    let base: UnsafePointer<UInt8>
    let count: Int
    var offset: Int

    init(_ base: UnsafePointer<UInt8>, count: Int, offset: Int = 0) {
        self.base = base
        self.count = count
        self.offset = offset
    }

    func fault(_ expected: StaticString) -> TimelineFault { TimelineFault(offset: offset, expected: expected) }

    @inline(__always)
    mutating func skipSpace() {
        while offset < count {
            let byte = base[offset]
            guard byte == 0x20 || byte == 0x09 || byte == 0x0d || byte == 0x0a else { return }
            offset &+= 1
        }
    }

    /// Steps over `byte` if it comes next.
    @inline(__always)
    mutating func skip(_ byte: UInt8) -> Bool {
        guard offset < count, base[offset] == byte else { return false }
        offset &+= 1
        return true
    }

    /// Scans a string whose quote comes next.
    @inline(__always)
    mutating func string() throws(TimelineFault) -> Value {
        guard skip(0x22) else { throw fault("a string") }
        var value = Value()
        value.kind = .string
        value.start = offset
        while true {
            // Eight bytes at a time up to a quote, a backslash or a control character.
            while offset &+ 8 <= count {
                let word = UInt64(littleEndian: UnsafeRawPointer(base + offset).loadUnaligned(as: UInt64.self))
                let found = Self.ends(word)
                if found != 0 {
                    offset &+= found.trailingZeroBitCount / 8
                    break
                }
                offset &+= 8
            }
            guard offset < count else { throw fault("the end of a string") }
            let byte = base[offset]
            if byte == 0x22 {
                value.end = offset
                offset &+= 1
                return value
            }
            if byte == 0x5c {
                value.kind = .escapedString
                try skipEscape()
            } else if byte < 0x20 {
                throw fault("no control character within a string")
            } else {
                offset &+= 1
            }
        }
    }

    /// The top bit of the first byte that is `"`, `\` or below 0x20; bits above that one are not to be relied on.
    @inline(__always)
    private static func ends(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = word ^ (ones &* 0x22), backslash = word ^ (ones &* 0x5c)
        let isQuote = (quote &- ones) & ~quote, isBackslash = (backslash &- ones) & ~backslash
        let isControl = (word &- ones &* 0x20) & ~word
        return (isQuote | isBackslash | isControl) & (ones &* 0x80)
    }

    private mutating func skipEscape() throws(TimelineFault) {
        offset &+= 1
        guard offset < count else { throw fault("the rest of an escape") }
        switch base[offset] {
        case 0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74: offset &+= 1
        case 0x75:
            offset &+= 1
            for _ in 0..<4 {
                guard offset < count, hexDigitValue(base[offset]) != nil else { throw fault("four hex digits") }
                offset &+= 1
            }
        default: throw fault("an escape of JSON")
        }
    }

    /// Scans any value.
    @inline(__always)
    mutating func value() throws(TimelineFault) -> Value {
        guard offset < count else { throw fault("a value") }
        switch base[offset] {
        case 0x22: return try string()
        case 0x2d, 0x30...0x39: return try number()
        default: return try otherValue(depth: 0)
        }
    }

    private mutating func anyValue(depth: Int) throws(TimelineFault) -> Value {
        guard offset < count else { throw fault("a value") }
        switch base[offset] {
        case 0x22: return try string()
        case 0x2d, 0x30...0x39: return try number()
        default: return try otherValue(depth: depth)
        }
    }

    @inline(never)
    private mutating func otherValue(depth: Int) throws(TimelineFault) -> Value {
        var value = Value()
        value.start = offset
        switch base[offset] {
        case 0x74:
            try literal("true")
            value.kind = .yes
        case 0x66:
            try literal("false")
            value.kind = .no
        case 0x6e:
            try literal("null")
            value.kind = .null
        case 0x5b:
            try skipArray(depth: depth)
            value.kind = .array
        case 0x7b:
            try skipObject(depth: depth)
            value.kind = .object
        default: throw fault("a value")
        }
        value.end = offset
        return value
    }

    private mutating func literal(_ text: StaticString) throws(TimelineFault) {
        let length = text.utf8CodeUnitCount
        guard offset + length <= count else { throw fault("a value") }
        for index in 0..<length where base[offset + index] != text.utf8Start[index] { throw fault("a value") }
        offset += length
    }

    /// Scans a number: an integer of 64 bits exactly, anything else as a fraction whose text is kept.
    @inline(__always)
    private mutating func number() throws(TimelineFault) -> Value {
        var value = Value()
        value.start = offset
        let negative = skip(0x2d)
        value.kind = negative ? .negative : .unsigned
        let first = offset
        var tooBig = false
        while offset < count {
            let digit = base[offset] &- 0x30
            guard digit < 10 else { break }
            if offset &- first < 19 {
                value.magnitude = value.magnitude &* 10 &+ UInt64(digit)
            } else {
                let (product, overflow) = value.magnitude.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
                tooBig = tooBig || overflow || carry
                value.magnitude = sum
            }
            offset &+= 1
        }
        guard offset > first else { throw fault("a digit") }
        if base[first] == 0x30, offset &- first > 1 {
            offset = first
            throw fault("a number without zeros in front")
        }
        if offset < count, base[offset] == 0x2e || base[offset] | 0x20 == 0x65 { try fraction(); tooBig = true }
        if tooBig { value.kind = .fraction }
        value.end = offset
        return value
    }

    private mutating func fraction() throws(TimelineFault) {
        if skip(0x2e) { try digits() }
        if offset < count, base[offset] | 0x20 == 0x65 {
            offset += 1
            if !skip(0x2b) { _ = skip(0x2d) }
            try digits()
        }
    }

    private mutating func digits() throws(TimelineFault) {
        let first = offset
        while offset < count, base[offset] &- 0x30 < 10 { offset += 1 }
        guard offset > first else { throw fault("a digit") }
    }

    private mutating func skipArray(depth: Int) throws(TimelineFault) {
        guard depth < Self.deepest else { throw TimelineFault(offset: offset, expected: "nested deeper than 64 levels", isMessage: true) }
        offset &+= 1
        skipSpace()
        if skip(0x5d) { return }
        while true {
            skipSpace()
            _ = try anyValue(depth: depth &+ 1)
            skipSpace()
            if skip(0x5d) { return }
            guard skip(0x2c) else { throw fault("',' or ']'") }
        }
    }

    private mutating func skipObject(depth: Int) throws(TimelineFault) {
        guard depth < Self.deepest else { throw TimelineFault(offset: offset, expected: "nested deeper than 64 levels", isMessage: true) }
        offset &+= 1
        skipSpace()
        if skip(0x7d) { return }
        while true {
            skipSpace()
            _ = try string()
            skipSpace()
            guard skip(0x3a) else { throw fault("':'") }
            skipSpace()
            _ = try anyValue(depth: depth &+ 1)
            skipSpace()
            if skip(0x7d) { return }
            guard skip(0x2c) else { throw fault("',' or '}'") }
        }
    }
}
