// SPDX-License-Identifier: Apache-2.0
/// Up to `capacity` bytes of UTF-8 stored in place: a kernel string in an event, without an
/// allocation.
///
/// Bytes after the first NUL are zero, so equality and hashing compare whole words.
public struct InlineText<let capacity: Int>: Sendable {
    public var bytes: InlineArray<capacity, UInt8>

    public init() { bytes = InlineArray(repeating: 0) }

    /// Keeps the first `capacity` bytes of `text`. O(capacity).
    public init(_ text: some StringProtocol) {
        self.init()
        var index = 0
        for byte in text.utf8 {
            guard index < capacity, byte != 0 else { break }
            bytes[index] = byte
            index += 1
        }
    }

    /// Copies bytes up to the first NUL. O(capacity).
    @inlinable
    public init(copying source: UnsafeRawPointer, count: Int) {
        bytes = InlineArray(repeating: 0)
        for index in 0..<min(count, capacity) {
            let byte = source.load(fromByteOffset: index, as: UInt8.self)
            if byte == 0 { break }
            bytes[index] = byte
        }
    }

    public var isEmpty: Bool { capacity == 0 || bytes[0] == 0 }

    /// Length in bytes. O(capacity).
    public var count: Int {
        for index in 0..<capacity where bytes[index] == 0 { return index }
        return capacity
    }

    /// The text, with invalid UTF-8 repaired: a kernel string can contain any bytes.
    public var string: String {
        var buffer: [UInt8] = []
        for index in 0..<count { buffer.append(bytes[index]) }
        return String(decoding: buffer, as: UTF8.self)
    }
}

extension InlineText: Hashable {
    public static func == (a: Self, b: Self) -> Bool {
        for index in 0..<capacity where a.bytes[index] != b.bytes[index] { return false }
        return true
    }

    public func hash(into hasher: inout Hasher) {
        for index in 0..<count { hasher.combine(bytes[index]) }
    }
}

public typealias DriverName = InlineText<32>
public typealias ShortText = InlineText<128>
