// SPDX-License-Identifier: Apache-2.0
/// A JSON document as a tree, for tests that read the schemas. The input must be valid.
indirect enum JSONDocument {
    case object([(name: String, value: JSONDocument)])
    case array([JSONDocument])
    case string(String)
    /// A number, `true`, `false` or `null`.
    case other

    init(parsing text: String) {
        var rest = Substring(text)
        self.init(&rest)
    }

    private init(_ rest: inout Substring) {
        rest = rest.drop(while: \.isWhitespace)
        switch rest.first {
        case "{":
            var members: [(name: String, value: JSONDocument)] = []
            Self.elements(&rest, until: "}") { rest in
                guard case .string(let name) = JSONDocument(&rest) else { preconditionFailure("a name") }
                rest = rest.drop(while: { $0.isWhitespace || $0 == ":" })
                members.append((name, JSONDocument(&rest)))
            }
            self = .object(members)
        case "[":
            var elements: [JSONDocument] = []
            Self.elements(&rest, until: "]") { elements.append(JSONDocument(&$0)) }
            self = .array(elements)
        case "\"":
            rest.removeFirst()
            var text = ""
            while let next = rest.popFirst(), next != "\"" { text.append(next == "\\" ? rest.removeFirst() : next) }
            self = .string(text)
        default:
            rest = rest.drop(while: { $0.isLetter || $0.isNumber || "+-.".contains($0) })
            self = .other
        }
    }

    private static func elements(_ rest: inout Substring, until end: Character, _ body: (inout Substring) -> Void) {
        rest.removeFirst()
        while true {
            rest = rest.drop(while: { $0.isWhitespace || $0 == "," })
            if rest.first == end { break }
            body(&rest)
        }
        rest.removeFirst()
    }

    subscript(name: String) -> JSONDocument? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The strings of an array of strings, or the single string.
    var strings: [String] {
        switch self {
        case .array(let elements): elements.flatMap(\.strings)
        case .string(let text): [text]
        default: []
        }
    }
}
