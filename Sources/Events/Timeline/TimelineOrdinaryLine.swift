// SPDX-License-Identifier: Apache-2.0
/// The line of an `OrdinaryRecord`, as nearly all lines of a timeline are, exactly as the writer
/// spells it.
///
/// One pass from left to right reads it, without any look-up. A line that differs in a single byte,
/// by a space or by the order of its keys, is not accepted here: `TimelineFields` reads it, and
/// reports its faults. So this must accept no line that `TimelineFields` would read otherwise.
struct TimelineOrdinaryLine {
    var kind: OrdinaryRecord.Kind
    var writable = false
    var time: UInt64
    var iova: UInt64
    var size: UInt64
    var began: UInt64 = 0

    /// Reads the line, and steps to its line feed; `actor` then has its actor and container. nil,
    /// and the scanner is anywhere, if it is not plain.
    @inline(__always)
    init?(_ scanner: inout TimelineScanner, _ actor: inout TimelineActorText) {
        if scanner.skip(TimelineLiteral.map) {
            kind = .map
        } else if scanner.skip(TimelineLiteral.removal) {
            kind = .removal
        } else if scanner.skip(TimelineLiteral.unmapRequest) {
            kind = .unmapRequest
        } else {
            return nil
        }
        guard let time = scanner.shortNumber(), scanner.skip(TimelineLiteral.time), scanner.skipUnescapedText() != nil
        else {
            return nil
        }
        guard actor.skip(&scanner), let iova = scanner.hexNumber(), scanner.skip(TimelineLiteral.size),
            let size = scanner.shortNumber()
        else { return nil }
        self.time = time
        self.iova = iova
        self.size = size
        guard readRest(&scanner), scanner.skip(ascii: "}"), scanner.isAtEnd else { return nil }
    }

    /// What follows the size, up to the closing brace.
    @inline(__always)
    private mutating func readRest(_ scanner: inout TimelineScanner) -> Bool {
        switch kind {
        case .map:
            writable = scanner.skip(TimelineLiteral.fromReadToRAM)
            guard writable || scanner.skip(TimelineLiteral.fromReadOnlyToRAM),
                let ram = scanner.shortNumber(), ram == size,
                scanner.skip(TimelineLiteral.noTargetsObserved)
            else { return false }
            guard scanner.skip(TimelineLiteral.began) else { return true }
            guard let began = scanner.shortNumber() else { return false }
            self.began = began
            return true
        case .removal: return scanner.skip(TimelineLiteral.causeRequest)
        case .unmapRequest:
            guard size != 0, scanner.skip(TimelineLiteral.noFlagsRequested), let requested = scanner.shortNumber()
            else {
                return false
            }
            return requested == size && scanner.skip(TimelineLiteral.succeeded)
        }
    }
}

extension TimelineReader {
    /// Reads the line at the scanner if it is an ordinary one, and steps to its line feed.
    @inline(__always)
    mutating func readOrdinary(
        _ scanner: inout TimelineScanner, _ ordinary: (OrdinaryRecord, OrdinaryRecord.Details) -> Void
    ) -> Bool {
        guard let line = TimelineOrdinaryLine(&scanner, &actorText) else { return false }
        let iommu =
            line.kind == .unmapRequest ? containers.iommu(actorText.container) : containers.mapped(actorText.container)
        // The size of an ordinary request is what was asked for.
        ordinary(
            OrdinaryRecord(line, by: actorText.actor, iommu),
            OrdinaryRecord.Details(actorText.actor, argument: line.kind == .unmapRequest ? line.size : 0))
        return true
    }
}

extension OrdinaryRecord {
    @inline(__always)
    fileprivate init(_ line: TimelineOrdinaryLine, by actor: Actor, _ iommu: IOMMUKey) {
        self.init(
            line.kind, at: line.time, by: actor.process, tid: actor.tid, iommu: iommu.raw, iova: line.iova,
            size: line.size, isWritable: line.writable, began: line.began)
    }
}
