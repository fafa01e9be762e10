// SPDX-License-Identifier: Apache-2.0
/// A JSON value, read by the least code that suffices for the lab's files: only the escapes `\"`
/// and `\\`, and numbers as integers.
enum JSONValue {
    case null
    case bool(Bool)
    case number(Int64)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    struct Malformed: Error { var offset: Int }

    init(_ text: some Collection<UInt8>) throws {
        var reader = Reader(bytes: Array(text))
        self = try reader.value()
    }

    subscript(key: String) -> JSONValue { if case .object(let members) = self { members[key] ?? .null } else { .null } }
    var array: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }
    var string: String { if case .string(let text) = self { text } else { "" } }
    var number: UInt64 { if case .number(let value) = self { UInt64(value) } else { 0 } }
    var isTrue: Bool { if case .bool(true) = self { true } else { false } }
    /// A 64-bit address: `"0x80000000"`.
    var address: UInt64 { UInt64(string.dropFirst(2), radix: 16) ?? 0 }

    private struct Reader {
        var bytes: [UInt8]
        var position = 0

        mutating func value() throws -> JSONValue {
            switch try next() {
            case UInt8(ascii: "{"):
                var members: [String: JSONValue] = [:]
                try list(until: UInt8(ascii: "}")) { reader in
                    try reader.expect(UInt8(ascii: "\""))
                    let key = try reader.text()
                    try reader.expect(UInt8(ascii: ":"))
                    members[key] = try reader.value()
                }
                return .object(members)
            case UInt8(ascii: "["):
                var elements: [JSONValue] = []
                try list(until: UInt8(ascii: "]")) { elements.append(try $0.value()) }
                return .array(elements)
            case UInt8(ascii: "\""): return .string(try text())
            default:
                position -= 1
                return try word()
            }
        }

        private mutating func word() throws -> JSONValue {
            let start = position
            while position < bytes.count, !",]} \n".utf8.contains(bytes[position]) { position += 1 }
            let text = String(decoding: bytes[start..<position], as: UTF8.self)
            switch text {
            case "true": return .bool(true)
            case "false": return .bool(false)
            case "null": return .null
            default:
                guard let value = Int64(text) else { throw Malformed(offset: start) }
                return .number(value)
            }
        }

        private mutating func text() throws -> String {
            var characters: [UInt8] = []
            while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
                if bytes[position] == UInt8(ascii: "\\") { position += 1 }
                guard position < bytes.count else { break }
                characters.append(bytes[position])
                position += 1
            }
            try expect(UInt8(ascii: "\""))
            return String(decoding: characters, as: UTF8.self)
        }

        private mutating func list(until end: UInt8, _ element: (inout Reader) throws -> Void) throws {
            if try next() == end { return }
            position -= 1
            while true {
                try element(&self)
                let separator = try next()
                if separator == end { return }
                guard separator == UInt8(ascii: ",") else { throw Malformed(offset: position) }
            }
        }

        private mutating func expect(_ byte: UInt8) throws {
            if try next() != byte { throw Malformed(offset: position) }
        }

        private mutating func next() throws -> UInt8 {
            while position < bytes.count, bytes[position] == 0x20 || bytes[position] == 0x0a { position += 1 }
            guard position < bytes.count else { throw Malformed(offset: position) }
            position += 1
            return bytes[position - 1]
        }
    }
}
