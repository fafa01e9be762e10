// SPDX-License-Identifier: Apache-2.0
/// A growable buffer of bytes on its way to a sink: every format writes through one of these.
///
/// Appending allocates nothing once the buffer has grown to the longest line. Lines stay whole: the
/// buffer is handed over only by `endLine()`, when it holds at least `threshold` bytes, and by
/// `flush()`.
///
/// Invariants: `0 <= count <= capacity`; the first `count` bytes of `base` are initialised; a store
/// happens only after `reserve` made room for it.
public struct ByteWriter: ~Copyable {
    public typealias Sink = (UnsafeRawBufferPointer) -> Void

    @usableFromInline var base: UnsafeMutablePointer<UInt8>
    @usableFromInline var capacity: Int
    /// Bytes that the sink has not yet seen.
    public private(set) var count: Int
    /// Bytes written since the beginning, those not yet flushed included.
    public var total: UInt64 { flushed &+ UInt64(count) }
    private var flushed: UInt64
    private let threshold: Int
    private let sink: Sink
    var secondCache = SecondCache()

    /// Begins empty; `sink` is called with the bytes, which are valid only during the call.
    public init(threshold: Int = 1 << 16, sink: @escaping Sink) {
        self.threshold = max(1, threshold)
        self.sink = sink
        capacity = self.threshold + 4096
        base = .allocate(capacity: capacity)
        count = 0
        flushed = 0
    }

    /// Begins empty, with room for `capacity` bytes; has no sink, so it keeps what is written.
    init(capacity: Int) {
        threshold = .max
        sink = { _ in }
        self.capacity = capacity + ByteCursor.overhang
        base = .allocate(capacity: self.capacity)
        count = 0
        flushed = 0
    }

    deinit { base.deallocate() }

    /// Makes room for `extra` more bytes. Amortised O(1).
    @inline(__always)
    mutating func reserve(_ extra: Int) {
        if _slowPath(capacity - count < extra) { grow(extra) }
    }

    @inline(never)
    private mutating func grow(_ extra: Int) {
        let wanted = max(capacity * 2, count + extra)
        let bigger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
        bigger.update(from: base, count: count)
        base.deallocate()
        base = bigger
        capacity = wanted
    }

    /// Hands everything to the sink.
    public mutating func flush() {
        guard count > 0 else { return }
        sink(UnsafeRawBufferPointer(start: base, count: count))
        flushed &+= UInt64(count)
        count = 0
    }

    /// Ends a line, and flushes if enough has gathered.
    public mutating func endLine() {
        append(byte: UInt8(ascii: "\n"))
        if count >= threshold { flush() }
    }

    // MARK: Bytes and text as they are

    @inline(__always)
    public mutating func append(byte: UInt8) {
        reserve(1)
        base[count] = byte
        count &+= 1
    }

    @inline(__always)
    public mutating func append(_ text: StaticString) {
        assert(text.hasPointerRepresentation)
        append(text.utf8Start, text.utf8CodeUnitCount)
    }

    @inline(__always)
    public mutating func append(_ bytes: UnsafePointer<UInt8>, _ length: Int) {
        reserve(length)
        UnsafeMutableRawPointer(base + count).copyMemory(from: bytes, byteCount: length)
        count &+= length
    }

    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        append(start.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    /// Appends what another writer holds.
    mutating func append(allOf other: borrowing ByteWriter) { append(other.base, other.count) }

    /// Appends text as it is. Labelled, so that a literal is a `StaticString`.
    public mutating func append(string text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// Removes what was written behind `mark` (a former `count` of the same line).
    mutating func truncate(to mark: Int) {
        precondition(mark >= 0 && mark <= count)
        count = mark
    }

    /// Whether the last byte that has not been flushed is this one.
    func endsWith(_ byte: UInt8) -> Bool { count > 0 && base[count - 1] == byte }

    /// Copies the bytes written since `mark` (a former `count` of the same line).
    func bytes(since mark: Int) -> [UInt8] {
        precondition(mark >= 0 && mark <= count)
        return Array(UnsafeBufferPointer(start: base + mark, count: count - mark))
    }

    // MARK: Many small pieces after one check of the room

    /// A cursor behind what has been written, with room for `extra` bytes. Its bytes count once it
    /// is committed.
    @inline(__always)
    mutating func room(_ extra: Int) -> ByteCursor {
        reserve(extra &+ ByteCursor.overhang)
        return ByteCursor(base + count)
    }

    /// Counts what was written since `room`; nothing else may have been appended meanwhile.
    @inline(__always)
    mutating func commit(_ cursor: consuming ByteCursor) {
        let end = cursor.place - UnsafeMutableRawPointer(base)
        precondition(end >= count && end &+ ByteCursor.overhang <= capacity)
        count = end
    }

    /// The same for the end of a line, its line break included: flushes if enough has gathered.
    @inline(__always)
    mutating func commitLine(_ cursor: consuming ByteCursor) {
        commit(cursor)
        if _slowPath(count >= threshold) { flush() }
    }
}

extension ByteWriter {
    /// Gathers everything that `body` writes.
    public static func gather(_ body: (inout ByteWriter) -> Void) -> [UInt8] {
        var gathered: [UInt8] = []
        withoutActuallyEscaping({ (bytes: UnsafeRawBufferPointer) in gathered.append(contentsOf: bytes) }) { sink in
            var writer = ByteWriter(sink: sink)
            body(&writer)
            writer.flush()
        }
        return gathered
    }
}
