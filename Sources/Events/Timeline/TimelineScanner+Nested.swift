/// Values that are neither plain strings nor plain numbers; of arrays and objects the grammar alone
/// is checked.
extension TimelineScanner {
    /// Scans any value; `depth` arrays and objects are around it.
    @inline(never)
    mutating func otherValue(depth: Int) throws(TimelineFault) -> Value {
        var value = Value()
        value.start = offset
        switch base[offset] {
        case 0x22: return try string()
        case 0x2d, 0x30...0x39: return try number()
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
        guard skip(text) else { throw fault("a value") }
    }

    private mutating func skipArray(depth: Int) throws(TimelineFault) {
        guard depth < Self.deepest else {
            throw TimelineFault(offset: offset, expected: "nested deeper than 64 levels", isMessage: true)
        }
        offset &+= 1
        skipSpace()
        if skip(0x5d) { return }
        while true {
            skipSpace()
            _ = try otherValue(depth: depth &+ 1)
            skipSpace()
            if skip(0x5d) { return }
            guard skip(0x2c) else { throw fault("',' or ']'") }
        }
    }

    private mutating func skipObject(depth: Int) throws(TimelineFault) {
        guard depth < Self.deepest else {
            throw TimelineFault(offset: offset, expected: "nested deeper than 64 levels", isMessage: true)
        }
        offset &+= 1
        skipSpace()
        if skip(0x7d) { return }
        while true {
            skipSpace()
            _ = try string()
            skipSpace()
            guard skip(0x3a) else { throw fault("':'") }
            skipSpace()
            _ = try otherValue(depth: depth &+ 1)
            skipSpace()
            if skip(0x7d) { return }
            guard skip(0x2c) else { throw fault("',' or '}'") }
        }
    }
}
