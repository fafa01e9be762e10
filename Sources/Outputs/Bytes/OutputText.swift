// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// Text put together by string interpolation on its way into a `ByteWriter`:
///
///     out.line("container \(id)  \(text: name) (pid \(pid))")
///
/// What can hold any bytes, names above all, goes in only under a label that says how it is
/// escaped: `text:` for people and their terminals, `json:`, `xml:`. A bare `String` does not
/// compile. What cannot be hostile needs no label: numbers, literals, addresses, ids.
///
/// Its bytes lie in a buffer of their own, for an interpolation begins before the writer is asked:
/// two allocations. Lines of mappings, which are nearly all of a trace, append to the writer.
struct OutputText: ExpressibleByStringInterpolation {
    fileprivate let buffer: Buffer

    init(stringLiteral text: StaticString) {
        buffer = Buffer(capacity: text.utf8CodeUnitCount)
        buffer.out.append(text)
    }

    init(stringInterpolation: StringInterpolation) { buffer = stringInterpolation.buffer }

    /// The text as a String, for those who measure or wrap it.
    var string: String { String(decoding: buffer.out.bytes(since: 0), as: UTF8.self) }

    fileprivate final class Buffer {
        /// Unchecked: nobody has it but the one interpolation, and then the one text.
        @exclusivity(unchecked) var out: ByteWriter

        init(capacity: Int) { out = ByteWriter(capacity: capacity) }
    }

    struct StringInterpolation: StringInterpolationProtocol {
        typealias StringLiteralType = StaticString

        fileprivate let buffer: Buffer

        init(literalCapacity: Int, interpolationCount: Int) {
            buffer = Buffer(capacity: literalCapacity + 32 * interpolationCount)
        }

        @inline(__always)
        func appendLiteral(_ literal: StaticString) { buffer.out.append(literal) }
    }
}

extension OutputText.StringInterpolation {
    @available(*, unavailable, message: "say how the String is escaped: text:, json: or xml:")
    func appendInterpolation(_ string: String) {}

    // MARK: Without a label: cannot be hostile

    func appendInterpolation(_ literal: StaticString) { buffer.out.append(literal) }
    func appendInterpolation(_ value: UInt64) { buffer.out.append(value) }
    func appendInterpolation(_ value: UInt32) { buffer.out.append(value) }
    func appendInterpolation(_ value: UInt8) { buffer.out.append(UInt64(value)) }
    func appendInterpolation(_ value: Int) { buffer.out.append(Int64(value)) }
    func appendInterpolation(_ value: Int32) { buffer.out.append(Int64(value)) }
    func appendInterpolation(_ address: PCIAddress) { buffer.out.append(address) }
    func appendInterpolation(_ id: ContainerID) { buffer.out.append(id) }
    func appendInterpolation(_ word: TimelineWord) { buffer.out.append(word.text) }
    func appendInterpolation(_ severity: Severity) { buffer.out.append(severity.word.text) }
    func appendInterpolation(_ target: Target) { buffer.out.append(target) }
    @_disfavoredOverload
    func appendInterpolation(_ text: OutputText) { buffer.out.append(text) }

    // MARK: Quantities, see `ByteWriter`

    func appendInterpolation(hex value: UInt64) { buffer.out.append(hex: value) }
    func appendInterpolation(size bytes: UInt64) { buffer.out.append(size: bytes) }
    func appendInterpolation(duration nanoseconds: UInt64) { buffer.out.append(duration: nanoseconds) }
    func appendInterpolation(grouped value: UInt64) { buffer.out.append(grouped: value) }
    func appendInterpolation(iova: UInt64, size: UInt64) { buffer.out.append(iova: iova, size: size) }
    func appendInterpolation(bar: UInt8, offset: UInt64) { buffer.out.append(bar: bar, offset: offset) }
    func appendInterpolation(time unixNanoseconds: Int64) { buffer.out.append(time: unixNanoseconds) }
    func appendInterpolation(timeOfDay unixNanoseconds: Int64) { buffer.out.append(timeOfDay: unixNanoseconds) }

    // MARK: Names and sentences, by how they are escaped

    func appendInterpolation(text string: String) { buffer.out.append(text: string) }
    func appendInterpolation(text comm: Comm) { buffer.out.append(text: comm) }
    func appendInterpolation<let capacity: Int>(text name: InlineText<capacity>) { buffer.out.append(text: name) }
    func appendInterpolation(json string: String) { buffer.out.append(json: string) }
    func appendInterpolation(xml string: String) { buffer.out.append(xml: string) }
}

extension ByteWriter {
    /// Appends a text without ending the line.
    @_disfavoredOverload
    mutating func append(_ text: OutputText) { append(allOf: text.buffer.out) }

    /// Appends a text, and ends the line.
    @_disfavoredOverload
    mutating func line(_ text: OutputText) {
        append(text)
        endLine()
    }

    /// Appends a literal, and ends the line.
    mutating func line(_ text: StaticString) {
        append(text)
        endLine()
    }
}
