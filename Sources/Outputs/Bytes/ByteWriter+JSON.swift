// SPDX-License-Identifier: Apache-2.0
import Events

/// Text that others wrote, escaped for where it goes: JSON, or people and their terminals.
extension ByteWriter {
    /// Appends a JSON string: quotes around it, escapes where needed, U+FFFD for each byte that is
    /// not UTF-8.
    public mutating func append(json text: String) {
        var text = text
        text.withUTF8 { append(json: UnsafeRawBufferPointer($0), limit: .max) }
    }

    /// Appends a JSON string. O(capacity).
    ///
    /// Repaired text is cut where it would be longer than `capacity` bytes, so that it reads back
    /// into the same `InlineText`.
    public mutating func append<let capacity: Int>(json text: InlineText<capacity>) {
        let length = text.count
        withUnsafeBytes(of: text.bytes) {
            append(json: UnsafeRawBufferPointer(rebasing: $0[0..<length]), limit: capacity)
        }
    }

    public mutating func append(json comm: Comm) { append(json: comm.text) }

    private mutating func append(json bytes: UnsafeRawBufferPointer, limit: Int) {
        append("\"")
        appendRepaired(bytes, limit: limit, escaped: true)
        append("\"")
    }

    /// Appends text for people: no quotes, control characters and broken UTF-8 as U+FFFD, so that a
    /// process name cannot drive a terminal.
    public mutating func append<let capacity: Int>(text name: InlineText<capacity>) {
        let length = name.count
        withUnsafeBytes(of: name.bytes) {
            appendRepaired(UnsafeRawBufferPointer(rebasing: $0[0..<length]), limit: .max, escaped: false)
        }
    }

    public mutating func append(text comm: Comm) { append(text: comm.text) }

    /// Appends text for people, see `append(text:)` for `InlineText`.
    public mutating func append(text: String) {
        var text = text
        text.withUTF8 { appendRepaired(UnsafeRawBufferPointer($0), limit: .max, escaped: false) }
    }

    private mutating func appendRepaired(_ bytes: UnsafeRawBufferPointer, limit: Int, escaped: Bool) {
        var index = 0
        var room = limit
        while index < bytes.count {
            let byte = bytes[index]
            if isPrintable(byte) {
                guard room >= 1 else { return }
                if escaped, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { append("\\") }
                append(byte: byte)
                index &+= 1
                room &-= 1
            } else if byte < 0x80 {
                guard room >= 1 else { return }
                if escaped { appendEscape(byte) } else { appendReplacement() }
                index &+= 1
                room &-= 1
            } else {
                let length = lengthOfScalar(bytes, at: index)
                guard room >= max(length, length == 0 ? 3 : 0) else { return }
                // C1 controls (U+0080 … U+009F) drive terminals too.
                if length == 0 || (!escaped && length == 2 && byte == 0xc2 && bytes[index + 1] < 0xa0) {
                    appendReplacement()
                    index &+= max(1, length)
                    room &-= 3
                } else {
                    for offset in 0..<length { append(byte: bytes[index + offset]) }
                    index &+= length
                    room &-= length
                }
            }
        }
    }

    private mutating func appendReplacement() { append("\u{fffd}") }

    private mutating func appendEscape(_ byte: UInt8) {
        switch Unicode.Scalar(byte) {
        case "\u{8}": append("\\b")
        case "\t": append("\\t")
        case "\n": append("\\n")
        case "\u{c}": append("\\f")
        case "\r": append("\\r")
        default:
            append("\\u00")
            append(hex: UInt64(byte), digits: 2)
        }
    }
}

/// Whether a byte is a character of ASCII that can be seen, or a blank.
@inline(__always)
private func isPrintable(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: " ") && byte <= UInt8(ascii: "~") }

/// Length of the UTF-8 sequence that begins at `index`: 2 … 4, or 0 if it is not one (overlong, a
/// surrogate, too high, cut short).
///
/// The ranges are those of table 3-7 of the Unicode standard.
private func lengthOfScalar(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Int {
    let first = bytes[index]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xbf
    switch first {
    case 0xc2...0xdf: length = 2
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: length = 3
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf1...0xf3: length = 4
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    default: return 0
    }
    guard index + length <= bytes.count, second.contains(bytes[index + 1]) else { return 0 }
    for offset in 2..<max(2, length) where bytes[index + offset] & 0xc0 != 0x80 { return 0 }
    return length
}
