import CRecords

/// Who did it, as the header of a record has it: six words, compared without being made an `Actor`.
///
/// The thread id (in the upper half), the process's start, the cgroup, pid and uid, and two words
/// of the name.
public struct RecordedActor: Sendable {
    @usableFromInline let words: InlineArray<6, UInt64>

    /// Reads the header at `record`.
    @inlinable @inline(__always)
    init(at record: UnsafeRawPointer) {
        let header = record.assumingMemoryBound(to: UInt64.self)
        words = [header[0] & 0xffff_ffff_0000_0000, header[2], header[3], header[4], header[5], header[6]]
    }

    @inlinable @inline(__always)
    public init(_ actor: Actor) {
        words = [
            UInt64(actor.tid) << 32, actor.process.start, actor.cgroup,
            UInt64(actor.process.pid) | UInt64(actor.uid) << 32,
            actor.comm.low.littleEndian, actor.comm.high.littleEndian,
        ]
    }

    /// True only for the same actor; false says nothing of one whose name has other bytes behind
    /// its end.
    @inlinable @inline(__always)
    public func isSame(as other: RecordedActor) -> Bool {
        var difference: UInt64 = 0
        for index in 0..<6 { difference |= words[index] ^ other.words[index] }
        return difference == 0
    }

    public var actor: Actor {
        Actor(
            process: ProcessKey(pid: UInt32(truncatingIfNeeded: words[3]), start: words[1]),
            tid: UInt32(truncatingIfNeeded: words[0] >> 32),
            uid: UInt32(truncatingIfNeeded: words[3] >> 32), cgroup: words[2],
            comm: withUnsafeBytes(of: words) { Comm(copying: $0.baseAddress! + 32) })
    }
}
