// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Members that many lines have, each behind a comma.
extension ByteCursor {
    /// `,"container":"c1"`, nothing for nil.
    @inline(__always)
    mutating func put(_ container: ContainerID?) {
        guard let container else { return }
        put(TimelineLiteral.container)
        put(container.number)
        put("\"")
    }

    /// `,"iova":"0x…","size":n`.
    @inline(__always)
    mutating func put(iova: UInt64, size: SizeText.Digits) {
        put(TimelineLiteral.iova)
        put(hex: iova)
        put(TimelineLiteral.size)
        put(size)
    }

    /// Appends `,"result":0`. A negative result is followed by the name of the error.
    @inline(__always)
    mutating func put(result: Int32) {
        if _fastPath(result == 0) { put(TimelineLiteral.succeeded) } else { place = Self.unusual(result, at: place) }
    }

    @inline(never)
    private static func unusual(_ result: Int32, at place: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        var cursor = ByteCursor(place)
        cursor.put(#","result":"#)
        if result < 0 { cursor.put("-") }
        cursor.put(result.magnitude)
        if result < 0, let name = Errno.name(0 &- result) {
            cursor.put(#","error":""#)
            cursor.put(name)
            cursor.put("\"")
        }
        return cursor.place
    }

    /// The text of a JSON string, without its quotes.
    mutating func put(_ comm: Comm) {
        guard _fastPath(comm.isUnescaped) else { return putEscaped(comm) }
        place.storeBytes(of: comm.low.littleEndian, as: UInt64.self)
        place.storeBytes(of: comm.high.littleEndian, toByteOffset: 8, as: UInt64.self)
        skip(comm.count)
    }

    @inline(never)
    private mutating func putEscaped(_ comm: Comm) {
        for byte in ByteWriter.gather({ $0.append(json: comm) }).dropFirst().dropLast() { put(byte: byte) }
    }
}

extension Comm {
    /// Whether it is printable ASCII without a byte that JSON escapes.
    fileprivate var isUnescaped: Bool {
        let text = text
        for index in 0..<text.count
        where !(0x20...0x7e).contains(text.bytes[index]) || text.bytes[index] == UInt8(ascii: "\"")
            || text.bytes[index] == UInt8(ascii: "\\")
        {
            return false
        }
        return true
    }
}
