import Events
import Findings
import MappingGraph

/// The JSON timeline (docs/timeline.md). `TimelineReader` reads it back: events, written, read and
/// written again give the same bytes.
public struct JSONLines: EventOutput {
    /// The types of line that the summary counts, in its order.
    enum LineType: Int, CaseIterable, Sendable {
        case container, group, device, map, unmap, memory, process, gap

        var name: StaticString {
            switch self {
            case .container: "container"
            case .group: "group"
            case .device: "device"
            case .map: "map"
            case .unmap: "unmap"
            case .memory: "memory"
            case .process: "process"
            case .gap: "gap"
            }
        }
    }

    let showVaddr: Bool
    var stamps = LineStamps()
    var actorText = ActorText()
    var sizes = SizeText()
    private var began: UInt64 = 0
    var links = LinkTracker()
    var counts = InlineArray<8, UInt64>(repeating: 0)
    /// Highest severity so far, by `Finding.id`.
    private var severities: [UInt32: Severity] = [:]
    /// Those that a policy suppresses, by `Finding.id`: not among `severities`.
    private var suppressed: Set<UInt32> = []

    public init(options: OutputOptions = OutputOptions()) { showVaddr = options.showVaddr }

    // MARK: First and last line

    public mutating func begin(_ session: Session, devices: [DeviceInfo], into out: inout ByteWriter) {
        stamps.clockOffset = session.clockOffset
        began = session.began
        out.append(#"{"type":"header","schema":""#)
        out.append(string: TimelineReader.schema)
        out.append(#"","t":"#)
        times(session.began, &out)
        for (key, value) in [
            (#","tool":"# as StaticString, session.toolVersion), (#","kernel":"#, session.kernel),
            (#","machine":"#, session.machine), (#","boot_id":"#, session.bootID),
        ] {
            out.append(key)
            out.append(json: value)
        }
        out.append(#","clock_offset":"#)
        out.append(session.clockOffset)
        if let limit = session.mappingLimit {
            out.append(#","dma_entry_limit":"#)
            out.append(limit)
        }
        if let remaps = session.remapsInterrupts {
            out.append(remaps ? #","irq_remapping":true"# : #","irq_remapping":false"#)
        }
        if let allows = session.allowsUnsafeInterrupts {
            out.append(allows ? #","unsafe_irqs":true"# : #","unsafe_irqs":false"#)
        }
        out.append(#","hooks":["#)
        for (index, hook) in session.hooks.enumerated() {
            out.append(index == 0 ? #"{"name":"# : #",{"name":"#)
            out.append(json: hook.name)
            out.append(#","function":"#)
            out.append(json: hook.function)
            out.append(#","how":"#)
            out.append(json: hook.how)
            out.append(byte: 0x7d)
        }
        out.append(#"],"devices":["#)
        for (index, device) in devices.enumerated() {
            out.append(index == 0 ? #"{"device":""# : #",{"device":""#)
            out.append(device.device)
            out.append(byte: 0x22)
            deviceFields(device, &out)
            out.append(byte: 0x7d)
        }
        out.append(byte: 0x5d)
        close(&out)
    }

    public mutating func end(_ evidence: Evidence, graph: borrowing Graph, into out: inout ByteWriter) {
        out.append(#"{"type":"summary","t":"#)
        times(evidence.ended, &out)
        out.append(#","events":{"#)
        for (index, type) in LineType.allCases.enumerated() {
            out.append(index == 0 ? "\"" : ",\"")
            out.append(type.name)
            out.append("\":")
            out.append(counts[index])
        }
        out.append(#"},"findings":{"#)
        for (index, severity) in Severity.allCases.enumerated() {
            out.append(index == 0 ? "\"" : ",\"")
            out.append(severity.timelineName)
            out.append("\":")
            out.append(UInt64(severities.values.count { $0 == severity }))
        }
        out.append(byte: 0x7d)
        if !suppressed.isEmpty {
            out.append(#","suppressed":"#)
            out.append(UInt64(suppressed.count))
        }
        out.append(#","attempted":"#)
        out.append(evidence.attempted)
        out.append(#","delivered":"#)
        out.append(evidence.delivered)
        out.append(#","lost":"#)
        out.append(evidence.lost)
        out.append(evidence.isComplete ? #","complete":true"# : #","complete":false"#)
        spans(graph.evidenceSpans(began: began, ended: evidence.ended), &out)
        if !evidence.defects.isEmpty {
            out.append(#","defects":["#)
            for (index, defect) in evidence.defects.enumerated() {
                if index > 0 { out.append(byte: 0x2c) }
                out.append(json: defect)
            }
            out.append(byte: 0x5d)
        }
        close(&out)
        out.flush()
    }

    /// The last ones, where there are very many.
    private func spans(_ spans: [EvidenceSpan], _ out: inout ByteWriter) {
        out.append(#","complete_spans":["#)
        for (index, span) in spans.suffix(256).enumerated() {
            out.append(index == 0 ? #"{"from":"# : #",{"from":"#)
            out.append(span.from)
            out.append(#","until":"#)
            out.append(span.until)
            out.append(byte: 0x7d)
        }
        out.append(byte: 0x5d)
    }

    // MARK: Findings

    public mutating func finding(
        _ finding: Finding, suppressed reason: String?, graph: borrowing Graph, into out: inout ByteWriter
    ) {
        if reason == nil {
            suppressed.remove(finding.id)
            severities[finding.id] = max(severities[finding.id] ?? .info, finding.severity)
        } else if severities[finding.id] == nil {
            suppressed.insert(finding.id)
        }
        out.append(#"{"type":"finding","id":"f"#)
        out.append(finding.id)
        out.append(#"","rule":"#)
        out.append(json: finding.rule)
        out.append(#","severity":""#)
        out.append(finding.severity.timelineName)
        out.append(finding.state == .open ? #"","state":"open","t":"# : #"","state":"resolved","t":"#)
        times(finding.time, &out)
        actor(finding.actor, &out)
        out.append(names: graph.processInfo(for: finding.actor.process))
        container(finding.container, &out)
        place(finding, &out)
        out.append(#","since":"#)
        out.append(finding.since)
        out.append(#","until":"#)
        if let until = finding.until { out.append(until) } else { out.append("null") }
        if let owner = finding.deviceOwner {
            out.append(#","device_owner":{"pid":"#)
            out.append(owner.process.pid)
            out.append(#","start":"#)
            out.append(owner.process.start)
            out.append(#","comm":"#)
            out.append(json: owner.comm)
            out.append(names: graph.processInfo(for: owner.process))
            out.append(byte: 0x7d)
        }
        if let occurrences = finding.occurrences {
            out.append(#","occurrences":"#)
            out.append(occurrences)
        }
        if finding.holdsMSIXTable { out.append(#","msix_table":true"#) }
        if finding.isAfterGap { out.append(#","after_gap":true"#) }
        if let reason {
            out.append(#","suppressed":"#)
            out.append(json: reason)
        }
        out.append(#","message":"#)
        out.append(json: finding.message)
        close(&out)
    }

    /// Where it is: what a finding of its rule does not have is left out.
    private func place(_ finding: Finding, _ out: inout ByteWriter) {
        if let iova = finding.iova {
            out.append(#","iova":""#)
            out.append(hex: iova)
            out.append(byte: 0x22)
        }
        if let size = finding.size {
            out.append(#","size":"#)
            out.append(size)
        }
        if let device = finding.device {
            out.append(#","device":""#)
            out.append(device)
            out.append(byte: 0x22)
        }
        if let bar = finding.bar {
            out.append(#","bar":"#)
            out.append(UInt64(bar))
        }
        if let offset = finding.barOffset {
            out.append(#","bar_offset":"#)
            out.append(offset)
        }
        if let reachable = finding.reachable { out.append(reachable ? #","reachable":true"# : #","reachable":false"#) }
    }
}
