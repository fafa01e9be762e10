// SPDX-License-Identifier: Apache-2.0

/// Collects the bytes that a writer hands over.
public final class ByteBuffer {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public func append(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }
}
