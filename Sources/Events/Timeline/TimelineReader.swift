// SPDX-License-Identifier: Apache-2.0
/// Reads a JSON timeline (docs/timeline.md) back into the events that it was written from.
///
/// Call `read` with the file's bytes in chunks of any length, then `finish`. A line that cannot be
/// read becomes a defect of the evidence, with its number and column, and reading goes on with the
/// next one: an audit then reports incomplete evidence, and does not lose the rest. Only a file
/// that is no timeline, or one of a newer version, is an error.
///
/// What a timeline calls `c3` comes back as `ContainerKey(3)` and `IOMMUKey(3)`. Lines that follow
/// from others become no events, because MappingGraph and Findings make them anew: findings,
/// inferred containers, and mappings that a snapshot showed to be gone.
public struct TimelineReader {
    /// The schema that this reader knows: it reads every file of the same major version.
    public static let schema = "vfioscope.timeline/1"
    static let schemaName = "vfioscope.timeline/"
    /// Bytes after which a line is given up.
    static let longestLine = 1 << 26
    /// Bytes that are scanned at once, so that offsets within a line fit 32 bits, however large a
    /// mapped file is.
    private static let longestChunk = 1 << 30
    /// Broken lines that get a defect each; the others are counted.
    static let broken = 100

    /// What the header tells; nil until it has been read.
    public private(set) var session: Session?
    /// The header's devices, in its order; they do not come as events.
    public private(set) var devices: [DeviceInfo] = []
    /// The summary's account, with the reader's own defects after those that it lists; complete
    /// after `finish`.
    public private(set) var evidence = Evidence()
    /// Lines read, blank ones and broken ones included.
    public private(set) var linesRead: UInt64 = 0
    /// Lines that could not be read.
    public private(set) var brokenLines: UInt64 = 0

    /// Whether `session` is known; cheaper than comparing that with nil.
    private var hasHeader = false
    private var summarySeen = false
    private var defects: [String] = []
    private var partial: [UInt8] = []
    private var givenUp = false
    let fields: TimelineFields
    let nested: TimelineFields
    var containers = TimelineContainers()
    var actorText = TimelineActorText()
    /// BARs as the last line about a device had them: a target names a BAR, an event a physical
    /// address.
    var bars: [PCIAddress: InlineArray<7, Bar>] = [:]

    public init() {
        let words = TimelineWords()
        fields = TimelineFields(words: words)
        nested = TimelineFields(words: words)
    }

    /// Whether `bytes` begin as a timeline does: with a JSON object.
    public static func looksLikeTimeline(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let blanks = [UInt8](" \t\n\r".utf8)
        return bytes.first { !blanks.contains($0) } == UInt8(ascii: "{")
    }

    /// Reads a chunk and calls `body` with each event whose line it completes. O(bytes).
    ///
    /// - Throws: `TimelineError` when the first line is not a header that this version can read. Do
    ///   not call again after that.
    public mutating func read(_ bytes: UnsafeRawBufferPointer, _ body: (Event) -> Void) throws(TimelineError) {
        try read(bytes, ordinary: { body(Event($0, $1)) }, body)
    }

    /// Reads a chunk and calls `ordinary` or `body` with what each line that it completes stands
    /// for. O(bytes).
    ///
    /// - Parameter ordinary: gets the lines of ordinary records, without an event.
    /// - Throws: as `read(_:_:)`.
    public mutating func read(
        _ bytes: UnsafeRawBufferPointer, ordinary: (OrdinaryRecord, OrdinaryRecord.Details) -> Void,
        _ body: (Event) -> Void
    ) throws(TimelineError) {
        var rest = bytes
        while rest.count > Self.longestChunk {
            try readChunk(UnsafeRawBufferPointer(rebasing: rest.prefix(Self.longestChunk)), ordinary, body)
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(Self.longestChunk))
        }
        try readChunk(rest, ordinary, body)
    }

    private mutating func readChunk(
        _ bytes: UnsafeRawBufferPointer, _ ordinary: (OrdinaryRecord, OrdinaryRecord.Details) -> Void,
        _ body: (Event) -> Void
    ) throws(TimelineError) {
        guard let raw = bytes.baseAddress else { return }
        let base = raw.assumingMemoryBound(to: UInt8.self)
        var start = 0
        if !partial.isEmpty || givenUp {
            guard let end = newline(base, from: 0, to: bytes.count) else {
                keep(base, bytes.count)
                return
            }
            if !givenUp { partial.append(contentsOf: UnsafeBufferPointer(start: base, count: end)) }
            try readPartial(ordinary, body)
            start = end + 1
        }
        // The scanner reads some bytes behind a line. The last lines do not have them, so they are
        // copied.
        let roomy = lastNewline(base, from: start, to: bytes.count - TimelineScanner.slack)
        while start < roomy { start = try line(base + start, room: bytes.count - start, ordinary, body) + start + 1 }
        while start < bytes.count {
            guard let end = newline(base, from: start, to: bytes.count) else {
                keep(base + start, bytes.count - start)
                return
            }
            partial.append(contentsOf: UnsafeBufferPointer(start: base + start, count: end - start))
            try readPartial(ordinary, body)
            start = end + 1
        }
    }

    /// Reads what is left behind the last line break, and completes `evidence`.
    public mutating func finish(_ body: (Event) -> Void) throws(TimelineError) {
        if !partial.isEmpty || givenUp { try readPartial({ body(Event($0, $1)) }, body) }
        guard hasHeader else { throw .empty }
        if brokenLines > UInt64(Self.broken) {
            defects.append("\(brokenLines - UInt64(Self.broken)) further lines are broken")
        }
        if !summarySeen { defects.append("the timeline ends without a summary: it was cut short") }
        evidence.defects += defects
        defects = []
    }

    private mutating func keep(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        guard !givenUp else { return }
        partial.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
        if partial.count > Self.longestLine {
            givenUp = true
            partial = []
        }
    }

    private mutating func readPartial(
        _ ordinary: (OrdinaryRecord, OrdinaryRecord.Details) -> Void, _ body: (Event) -> Void
    ) throws(TimelineError) {
        if givenUp {
            givenUp = false
            linesRead += 1
            guard hasHeader else { throw .notATimeline("its first line is longer than \(Self.longestLine) bytes") }
            broken("longer than \(Self.longestLine) bytes")
            return
        }
        // Swapped out, so that reading the line may change `self`; swapped back, so that the next
        // one needs no allocation.
        var whole: [UInt8] = []
        swap(&whole, &partial)
        whole.append(UInt8(ascii: "\n"))
        whole.append(contentsOf: repeatElement(0, count: TimelineScanner.slack))
        var failure: TimelineError?
        whole.withUnsafeBufferPointer { bytes in
            do throws(TimelineError) { _ = try line(bytes.baseAddress!, room: bytes.count, ordinary, body) } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        whole.removeAll(keepingCapacity: true)
        swap(&whole, &partial)
    }

    private mutating func broken(_ why: String) {
        brokenLines += 1
        if brokenLines <= UInt64(Self.broken) { defects.append("line \(linesRead): \(why)") }
    }

    /// Reads one line, which ends with a line feed and has `TimelineScanner.slack` readable bytes
    /// behind it; returns the offset of the line feed.
    private mutating func line(
        _ base: UnsafePointer<UInt8>, room: Int, _ ordinary: (OrdinaryRecord, OrdinaryRecord.Details) -> Void,
        _ body: (Event) -> Void
    ) throws(TimelineError) -> Int {
        linesRead += 1
        var scanner = TimelineScanner(base, room: room)
        if hasHeader, !summarySeen, readOrdinary(&scanner, ordinary) { return scanner.offset }
        scanner.offset = 0
        scanner.skipSpace()
        if scanner.isAtEnd { return scanner.offset }
        do throws(TimelineFault) {
            try fields.fill(&scanner)
            scanner.skipSpace()
            guard scanner.isAtEnd else { throw scanner.fault("the end of the line") }
            try read(body)
            return scanner.offset
        } catch {
            if let newer { throw .newerSchema(newer) }
            guard hasHeader else { throw .notATimeline("line \(linesRead): \(error.description)") }
            broken(error.description)
            return newline(base, from: scanner.offset, to: room) ?? scanner.offset
        }
    }

    /// Reads what is in `fields`: a whole line.
    @inline(__always)
    private mutating func read(_ body: (Event) -> Void) throws(TimelineFault) {
        guard let type = try fields.word(.type) else { throw fields.missing("an object with a type") }
        guard hasHeader else {
            guard type == .header else { throw fields.missing("a header line") }
            return try readHeader()
        }
        if summarySeen { throw TimelineFault(offset: 0, expected: "a line after the summary", isMessage: true) }
        switch type {
        case .finding: return
        case .header: throw TimelineFault(offset: 0, expected: "a second header", isMessage: true)
        case .summary: try readSummary()
        default: try readEvent(type, body)
        }
    }

    // MARK: Header and summary

    /// Set by `readHeader` when the schema is of a newer version.
    private var newer: String?

    private mutating func readHeader() throws(TimelineFault) {
        guard let schema = try fields.string(.schema) else { throw fields.missing("a header with a schema") }
        // Minor versions, `/1.2`, add keys only.
        guard schema == Self.schema || schema.hasPrefix(Self.schema + ".") else {
            if schema.hasPrefix(Self.schemaName) { newer = schema }
            throw fields.missing("the schema vfioscope.timeline/1")
        }
        let began = try fields.unsigned(.t) ?? 0
        let found = Session(
            toolVersion: try fields.string(.tool) ?? "", kernel: try fields.string(.kernel) ?? "",
            machine: try fields.string(.machine) ?? "",
            bootID: try fields.string(.bootID) ?? "", clockOffset: try fields.signed(.clockOffset) ?? 0, began: began,
            hooks: try readHooks(),
            mappingLimit: try fields.unsigned32(.mappingLimit), remapsInterrupts: try fields.bool(.remapsInterrupts),
            allowsUnsafeInterrupts: try fields.bool(.allowsUnsafeInterrupts), hasIOMMUFD: try fields.bool(.iommufd))
        devices = try readDevices()
        for device in devices { bars[device.device] = device.bars }
        session = found
        hasHeader = true
    }

    private mutating func readSummary() throws(TimelineFault) {
        guard let lost = try fields.unsigned(.lost), let ended = try fields.unsigned(.t) else {
            throw fields.missing("a summary with t and lost")
        }
        var listed: [String] = []
        try forEachElement(of: .defects) { (reader, scanner) throws(TimelineFault) in
            let value = try scanner.value()
            guard value.kind == .string || value.kind == .escapedString else {
                throw TimelineFault(offset: value.start, expected: "a string")
            }
            listed.append(TimelineText.unescape(scanner.base + value.start, value.end - value.start))
        }
        evidence = Evidence(
            attempted: try fields.unsigned(.attempted) ?? 0, delivered: try fields.unsigned(.delivered) ?? 0,
            lost: lost, ended: ended,
            defects: listed)
        summarySeen = true
    }
}

/// Offset of the next line feed in `start ..< end`, nil if there is none: eight bytes at a time.
@inline(__always)
private func newline(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int? {
    let raw = UnsafeRawPointer(base)
    var offset = start
    while offset &+ 8 <= end {
        // A byte of `word` is zero where the line feed is; the lowest such byte's top bit is the
        // lowest one set in `found`.
        let word =
            UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ 0x0a0a_0a0a_0a0a_0a0a
        let found = (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
        if found != 0 { return offset &+ found.trailingZeroBitCount / 8 }
        offset &+= 8
    }
    while offset < end {
        if base[offset] == UInt8(ascii: "\n") { return offset }
        offset &+= 1
    }
    return nil
}

/// Offset behind the last line feed in `start ..< end`, `start` if there is none.
private func lastNewline(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
    var end = end
    while end > start {
        if base[end &- 1] == UInt8(ascii: "\n") { return end }
        end &-= 1
    }
    return start
}
