// SPDX-License-Identifier: Apache-2.0
/// The formats by name: a new one is a file in this target and a line here.
public enum FormatRegistry {
    public struct Format: Sendable {
        public let name: String
        /// One line for a usage text, without a full stop.
        public let summary: String
        public let kind: Kind
    }

    public enum Kind: Sendable {
        /// Written event by event.
        case stream(@Sendable (OutputOptions) -> any EventOutput)
        /// A picture of one moment.
        case graph(@Sendable (OutputOptions) -> any GraphOutput)
    }

    public static let all: [Format] = [
        Format(name: "text", summary: "one line an event, for people", kind: .stream { TextLines(options: $0) }),
        Format(
            name: "jsonl", summary: "the JSON timeline, one object a line", kind: .stream { JSONLines(options: $0) }),
        Format(
            name: "list", summary: "containers, devices and mappings at one moment, for people",
            kind: .graph { Listing(options: $0) }),
        Format(
            name: "json", summary: "the graph at one moment, as one JSON document", kind: .graph { _ in GraphJSON() }),
        Format(name: "dot", summary: "the graph at one moment, for graphviz", kind: .graph { _ in Dot() }),
        Format(name: "svg", summary: "the graph at one moment, as a picture", kind: .graph { _ in SVG() }),
    ]

    /// The format of that name, exactly. O(formats).
    public static func format(_ name: some StringProtocol) -> Format? { all.first { $0.name == name } }

    /// The names of the stream formats, in the order in which to list them.
    public static var streamNames: [String] {
        all.filter { if case .stream = $0.kind { true } else { false } }.map(\.name)
    }

    /// The names of the graph formats, in the order in which to list them.
    public static var graphNames: [String] {
        all.filter { if case .graph = $0.kind { true } else { false } }.map(\.name)
    }

    public static func stream(_ name: some StringProtocol, _ options: OutputOptions = OutputOptions()) -> (
        any EventOutput
    )? {
        guard case .stream(let make)? = format(name)?.kind else { return nil }
        return make(options)
    }

    public static func graph(_ name: some StringProtocol, _ options: OutputOptions = OutputOptions()) -> (
        any GraphOutput
    )? {
        guard case .graph(let make)? = format(name)?.kind else { return nil }
        return make(options)
    }
}
