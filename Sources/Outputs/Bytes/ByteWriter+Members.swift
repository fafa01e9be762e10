// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// What a member of a JSON object can be: written so that it cannot break the document, whatever
/// bytes it holds.
protocol JSONValue {
    func write(into out: inout ByteWriter)
}

extension UInt64: JSONValue { func write(into out: inout ByteWriter) { out.append(self) } }
extension UInt32: JSONValue { func write(into out: inout ByteWriter) { out.append(self) } }
extension UInt8: JSONValue { func write(into out: inout ByteWriter) { out.append(UInt64(self)) } }
extension Int: JSONValue { func write(into out: inout ByteWriter) { out.append(Int64(self)) } }
extension Int64: JSONValue { func write(into out: inout ByteWriter) { out.append(self) } }
extension Bool: JSONValue { func write(into out: inout ByteWriter) { out.append(self ? "true" : "false") } }
extension String: JSONValue { func write(into out: inout ByteWriter) { out.append(json: self) } }
extension InlineText: JSONValue { func write(into out: inout ByteWriter) { out.append(json: self) } }
extension Comm: JSONValue { func write(into out: inout ByteWriter) { out.append(json: self) } }

/// A literal: it is written as it stands.
extension StaticString: JSONValue {
    func write(into out: inout ByteWriter) {
        out.append("\"")
        out.append(self)
        out.append("\"")
    }
}

extension TimelineWord: JSONValue {
    func write(into out: inout ByteWriter) { text.write(into: &out) }
}

extension PCIAddress: JSONValue {
    func write(into out: inout ByteWriter) {
        out.append("\"")
        out.append(self)
        out.append("\"")
    }
}

extension ContainerID: JSONValue {
    func write(into out: inout ByteWriter) {
        out.append("\"")
        out.append(self)
        out.append("\"")
    }
}

/// Members of a JSON object, each behind a comma unless it is the first. Not for the lines of
/// mappings, which put prepared literals behind one cursor.
extension ByteWriter {
    /// Appends `"key":value`; nothing for nil.
    mutating func member(_ name: StaticString, _ value: (some JSONValue)?) {
        guard let value else { return }
        key(name)
        value.write(into: &self)
    }

    /// Appends `"key":value`, or `"key":null`.
    mutating func member(_ name: StaticString, orNull value: (some JSONValue)?) {
        key(name)
        if let value { value.write(into: &self) } else { append("null") }
    }

    /// Appends `"key":"0x…"`, with zeros in front where there are fewer than `digits`; nothing for
    /// nil.
    mutating func member(_ name: StaticString, hex value: UInt64?, digits: Int = 1) {
        guard let value else { return }
        key(name)
        append("\"")
        append(hex: value, digits: max(digits, (67 - value.leadingZeroBitCount) / 4), prefixed: true)
        append("\"")
    }

    /// Appends `"key":[…]`, the elements parted by commas; `body` writes one of them.
    mutating func list<Elements: Sequence>(
        _ name: StaticString, _ elements: Elements, _ body: (Elements.Element, inout ByteWriter) -> Void
    ) {
        key(name)
        append("[")
        var isFirst = true
        for element in elements {
            if !isFirst { append(",") }
            isFirst = false
            body(element, &self)
        }
        append("]")
    }

    /// Appends `"key":{…}`; `body` writes its members.
    mutating func object(_ name: StaticString, _ body: (inout ByteWriter) -> Void) {
        key(name)
        object(body)
    }

    /// Appends `{…}`; `body` writes its members.
    mutating func object(_ body: (inout ByteWriter) -> Void) {
        append("{")
        body(&self)
        append("}")
    }

    /// Appends `,"key":`, without the comma where an object has just begun.
    mutating func key(_ name: StaticString) {
        append(endsWith(UInt8(ascii: "{")) ? "\"" : ",\"")
        append(name)
        append("\":")
    }

    // MARK: The same by words of the timeline

    mutating func member(_ word: TimelineWord, _ value: (some JSONValue)?) { member(word.text, value) }
    mutating func member(_ word: TimelineWord, orNull value: (some JSONValue)?) { member(word.text, orNull: value) }
    mutating func member(_ word: TimelineWord, hex value: UInt64?, digits: Int = 1) {
        member(word.text, hex: value, digits: digits)
    }
    mutating func list<Elements: Sequence>(
        _ word: TimelineWord, _ elements: Elements, _ body: (Elements.Element, inout ByteWriter) -> Void
    ) {
        list(word.text, elements, body)
    }
    mutating func object(_ word: TimelineWord, _ body: (inout ByteWriter) -> Void) { object(word.text, body) }
}

/// How outputs name a finding: `f1`.
struct FindingName: JSONValue {
    let id: UInt32

    init(_ id: UInt32) { self.id = id }

    func write(into out: inout ByteWriter) {
        out.append("\"f")
        out.append(id)
        out.append("\"")
    }
}
