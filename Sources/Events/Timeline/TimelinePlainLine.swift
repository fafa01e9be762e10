/// What nearly all lines of a timeline are, just as the writer spells them: RAM without a file
/// mapped, removed on request, or asked to be unmapped, and all of it went well. See `OrdinaryRecord`.
///
/// One pass from left to right reads it, and looks nothing up. A line that differs in a single
/// byte, by a space or by the order of its keys, is no plain one: `TimelineFields` reads it, and
/// tells what is wrong if something is. So this must accept nothing that means something else
/// there.
struct TimelinePlainLine {
    var kind: OrdinaryRecord.Kind
    var writable = false
    var time: UInt64
    var iova: UInt64
    var size: UInt64
    var began: UInt64 = 0

    /// Reads the line, and steps to its line feed; who did it and where is left in `actor`. nil,
    /// and the scanner is anywhere, if it is not plain.
    @inline(__always)
    init?(_ scanner: inout TimelineScanner, _ actor: inout TimelineActorText) {
        if scanner.skip(#"{"type":"map","t":"#) {
            kind = .map
        } else if scanner.skip(#"{"type":"unmap","action":"removed","t":"#) {
            kind = .removal
        } else if scanner.skip(#"{"type":"unmap","action":"request","t":"#) {
            kind = .unmapRequest
        } else {
            return nil
        }
        guard let time = scanner.shortNumber(), scanner.skip(#","time":""#), scanner.skipPlainText() != nil else {
            return nil
        }
        guard actor.skip(&scanner), let iova = scanner.hexNumber(), scanner.skip(#"","size":"#),
            let size = scanner.shortNumber()
        else { return nil }
        self.time = time
        self.iova = iova
        self.size = size
        guard readRest(&scanner), scanner.skip(0x7d), scanner.isAtEnd else { return nil }
    }

    /// What follows the size, up to the closing brace.
    @inline(__always)
    private mutating func readRest(_ scanner: inout TimelineScanner) -> Bool {
        switch kind {
        case .map:
            writable = scanner.skip(#","read":true,"write":true,"result":0,"ram":"#)
            guard writable || scanner.skip(#","read":true,"write":false,"result":0,"ram":"#),
                let ram = scanner.shortNumber(), ram == size,
                scanner.skip(#","targets":[],"provenance":"observed""#)
            else { return false }
            guard scanner.skip(#","began":"#) else { return true }
            guard let began = scanner.shortNumber() else { return false }
            self.began = began
            return true
        case .removal: return scanner.skip(#","cause":"request""#)
        case .unmapRequest:
            guard size != 0, scanner.skip(#","flags":0,"requested":"#), let requested = scanner.shortNumber() else {
                return false
            }
            return requested == size && scanner.skip(#","result":0"#)
        }
    }
}

extension TimelineReader {
    /// Reads the line at the scanner if it is an ordinary one, and steps to its line feed.
    @inline(__always)
    mutating func readOrdinary(
        _ scanner: inout TimelineScanner, _ ordinary: (OrdinaryRecord, OrdinaryRecord.Details) -> Void
    ) -> Bool {
        guard let line = TimelinePlainLine(&scanner, &actorText) else { return false }
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
    fileprivate init(_ line: TimelinePlainLine, by actor: Actor, _ iommu: IOMMUKey) {
        self.init(
            line.kind, at: line.time, by: actor.process, tid: actor.tid, iommu: iommu.raw, iova: line.iova,
            size: line.size, isWritable: line.writable, began: line.began)
    }
}
