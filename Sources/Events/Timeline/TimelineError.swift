// SPDX-License-Identifier: Apache-2.0
/// Why a file cannot be read as a timeline at all. Lesser faults become defects of the evidence:
/// see `TimelineReader`.
public enum TimelineError: Error, Equatable, Sendable, CustomStringConvertible {
    case empty
    /// The first line is no header; the text is what is wrong with it.
    case notATimeline(String)
    /// The header's `schema`, of a version that this reader does not know.
    case newerSchema(String)

    public var description: String {
        switch self {
        case .empty:
            "the file is empty: a timeline begins with a header line"
        case .notATimeline(let why):
            "this is not a vfioscope timeline: \(why)"
        case .newerSchema(let schema):
            "the timeline has schema \(schema), and this vfioscope reads \(TimelineReader.schema): use a newer "
                + "vfioscope"
        }
    }
}

/// What is wrong with a line, and where.
struct TimelineFault: Error, Equatable {
    /// Byte offset from the start of what was scanned, 0 for its first byte.
    var offset: Int
    /// Completes the sentence "expected …", or stands alone if `isMessage`.
    var expected: StaticString
    var isMessage = false

    static func == (a: Self, b: Self) -> Bool {
        a.offset == b.offset && a.isMessage == b.isMessage && a.expected.description == b.expected.description
    }

    /// `expected a string at column 34`: columns count bytes from 1.
    var description: String {
        (isMessage ? "\(expected)" : "expected \(expected)") + " at column \(offset + 1)"
    }
}
