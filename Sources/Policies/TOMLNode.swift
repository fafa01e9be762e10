// SPDX-License-Identifier: Apache-2.0
import CToml

/// A place in a file. Line and column count from 1; columns are code points.
public struct SourcePlace: Sendable, Hashable, Comparable {
    public var line: UInt32
    public var column: UInt32

    public init(line: UInt32, column: UInt32) {
        self.line = line
        self.column = column
    }

    public static func < (a: Self, b: Self) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// A value of a TOML document, and its place.
struct TOMLNode {
    /// A key and its value; members are in the order of the document.
    struct Member {
        var key: String
        var keyPlace: SourcePlace
        var value: TOMLNode
    }

    enum Value {
        case table([Member])
        case array([TOMLNode])
        case string(String)
        case integer(Int64)
        case boolean
        case float
        case date(PolicyDate)
        case time
        case dateTime
    }

    var value: Value
    var place: SourcePlace

    /// The kind of value, for a message: `a string`.
    var kindName: String {
        switch value {
        case .table: "a table"
        case .array: "an array"
        case .string: "a string"
        case .integer: "an integer"
        case .boolean: "a boolean"
        case .float: "a float"
        case .date: "a date"
        case .time: "a time"
        case .dateTime: "a date with a time"
        }
    }

    /// Parses TOML 1.0. O(*n* log *n*).
    ///
    /// - Throws: the first syntax error.
    static func parse(_ bytes: some Collection<UInt8>) throws(PolicyError) -> TOMLNode {
        let document = ContiguousArray(bytes).withUnsafeBytes { raw in
            ctoml_parse(raw.baseAddress.map { $0.assumingMemoryBound(to: CChar.self) }, raw.count)
        }
        guard let document else { throw PolicyError(SourcePlace(line: 1, column: 1), "out of memory") }
        defer { ctoml_free(document) }
        if let error = document.pointee.error {
            throw PolicyError(
                SourcePlace(document.pointee.error_at), "not valid TOML: " + sentence(String(cString: error)))
        }
        var next = 0
        return read(UnsafeBufferPointer(start: document.pointee.nodes, count: document.pointee.count), &next)
    }

    private static func read(_ nodes: UnsafeBufferPointer<ctoml_node>, _ next: inout Int) -> TOMLNode {
        let node = nodes[next]
        next += 1
        return TOMLNode(value: value(of: node, nodes, &next), place: SourcePlace(node.at))
    }

    private static func value(of node: ctoml_node, _ nodes: UnsafeBufferPointer<ctoml_node>, _ next: inout Int) -> Value
    {
        switch node.kind {
        case CTOML_TABLE:
            var members: [Member] = []
            for _ in 0..<node.children {
                let key = nodes[next]
                members.append(
                    Member(
                        key: text(key.key, key.key_size), keyPlace: SourcePlace(key.key_at), value: read(nodes, &next)))
            }
            return .table(members.sorted { $0.keyPlace < $1.keyPlace })
        case CTOML_ARRAY: return .array((0..<node.children).map { _ in read(nodes, &next) })
        case CTOML_STRING: return .string(text(node.text, node.text_size))
        case CTOML_INTEGER: return .integer(node.number)
        case CTOML_BOOLEAN: return .boolean
        case CTOML_DATE:
            return .date(PolicyDate(year: node.number / 10_000, month: node.number / 100 % 100, day: node.number % 100))
        case CTOML_TIME: return .time
        case CTOML_DATE_TIME: return .dateTime
        default: return .float
        }
    }

    private static func text(_ start: UnsafePointer<CChar>?, _ count: Int) -> String {
        String(decoding: UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count), as: UTF8.self)
    }

    /// toml++ begins its messages with a capital; here they stand within a line.
    private static func sentence(_ text: String) -> String { text.prefix(1).lowercased() + text.dropFirst() }
}

extension SourcePlace {
    init(_ place: ctoml_place) { self.init(line: place.line, column: place.column) }
}
