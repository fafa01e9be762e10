// SPDX-License-Identifier: Apache-2.0
/// Values that are neither strings without escapes nor small numbers. Of arrays and objects only
/// the grammar is checked.
extension TimelineScanner {
    /// Scans any value; `depth` arrays and objects are around it.
    @inline(never)
    mutating func otherValue(depth: Int) throws(TimelineFault) -> Value {
        var value = Value()
        value.start = offset
        switch Unicode.Scalar(base[offset]) {
        case "\"": return try string()
        case "-", "0"..."9": return try number()
        case "t":
            try literal("true")
            value.kind = .yes
        case "f":
            try literal("false")
            value.kind = .no
        case "n":
            try literal("null")
            value.kind = .null
        case "[":
            try skipArray(depth: depth)
            value.kind = .array
        case "{":
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
        if skip(ascii: "]") { return }
        while true {
            skipSpace()
            _ = try otherValue(depth: depth &+ 1)
            skipSpace()
            if skip(ascii: "]") { return }
            guard skip(ascii: ",") else { throw fault("',' or ']'") }
        }
    }

    private mutating func skipObject(depth: Int) throws(TimelineFault) {
        guard depth < Self.deepest else {
            throw TimelineFault(offset: offset, expected: "nested deeper than 64 levels", isMessage: true)
        }
        offset &+= 1
        skipSpace()
        if skip(ascii: "}") { return }
        while true {
            skipSpace()
            _ = try string()
            skipSpace()
            guard skip(ascii: ":") else { throw fault("':'") }
            skipSpace()
            _ = try otherValue(depth: depth &+ 1)
            skipSpace()
            if skip(ascii: "}") { return }
            guard skip(ascii: ",") else { throw fault("',' or '}'") }
        }
    }
}
