// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The actor and the container of the last ordinary line, with their text. Lines come in runs of
/// one actor, so the next line nearly always has the same text.
///
/// Invariant: `text` is what lies between the text of `time` and the digits of `iova`, and holds
/// nothing but `actor` and `container`.
struct TimelineActorText {
    private(set) var actor = Actor()
    private(set) var container: UInt32 = 0
    private var text: [UInt8] = []

    /// Steps over the text; false, and the scanner is anywhere, if it is not spelled as the writer
    /// spells it.
    @inline(__always)
    mutating func skip(_ scanner: inout TimelineScanner) -> Bool {
        let count = text.count
        let isSame =
            count > 0 && scanner.room &- scanner.offset >= count
            && text.withUnsafeBufferPointer { memcmp($0.baseAddress!, scanner.base + scanner.offset, count) == 0 }
        guard isSame else { return read(&scanner) }
        scanner.offset &+= count
        return true
    }

    @inline(never)
    private mutating func read(_ scanner: inout TimelineScanner) -> Bool {
        let start = scanner.offset
        guard scanner.skip(TimelineLiteral.pid), let pid = scanner.shortNumber().flatMap({ UInt32(exactly: $0) }),
            scanner.skip(TimelineLiteral.tid), let tid = scanner.shortNumber().flatMap({ UInt32(exactly: $0) }),
            scanner.skip(TimelineLiteral.start), let began = scanner.shortNumber(), scanner.skip(TimelineLiteral.comm)
        else { return false }
        let comm = scanner.offset
        guard let end = scanner.skipUnescapedText(), end - comm <= 16,
            scanner.skip(TimelineLiteral.uidAfterQuote),
            let uid = scanner.shortNumber().flatMap({ UInt32(exactly: $0) }),
            scanner.skip(TimelineLiteral.cgroup), let cgroup = scanner.shortNumber(),
            scanner.skip(TimelineLiteral.container),
            let number = scanner.shortNumber().flatMap({ UInt32(exactly: $0) }),
            scanner.skip(TimelineLiteral.iovaAfterContainer)
        else { return false }
        actor = Actor(
            process: ProcessKey(pid: pid, start: began), tid: tid, uid: uid, cgroup: cgroup,
            comm: Comm(unterminated: scanner.base + comm, count: end - comm))
        container = number
        text.removeAll(keepingCapacity: true)
        text.append(contentsOf: UnsafeBufferPointer(start: scanner.base + start, count: scanner.offset - start))
        return true
    }
}
