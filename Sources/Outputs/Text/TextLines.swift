// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// The trace for people: one aligned line an event, findings on lines of their own.
///
/// Times are UTC. What is routine is left out: what devices and processes are, unmap requests that
/// removed what they asked for, and what a snapshot finds but for mappings of device memory.
public struct TextLines: EventOutput {
    let colour: Bool
    public var clockOffset: Int64 = 0
    /// Bytes removed by a thread since its last unmap request returned.
    var removed: [UInt32: UInt64] = [:]
    private var ledger = FindingLedger()
    /// A device's state as the lines above show it: a line that repeats it is left out.
    var shown: [PCIAddress: ShownState] = [:]

    /// What the snapshot in progress, or the last one, found.
    var found = SnapshotContents()
    /// How many mappings the walk in progress has shown to be gone, and whose they were.
    var gone: (container: ContainerID?, count: UInt64) = (nil, 0)

    struct ShownState {
        var memory = true
        var power = PowerState.d0
    }

    /// The objects that a snapshot found. They are sets, because some objects are found twice.
    struct SnapshotContents {
        var containers: Set<ContainerKey> = []
        var groups: Set<UInt32> = []
        var openDevices: Set<PCIAddress> = []
        /// Open devices that are not on PCI.
        var otherDevices: UInt64 = 0
        var mappings: UInt64 = 0
    }

    public init(options: OutputOptions = OutputOptions()) { colour = options.colour }

    /// The time since 1970 of a time since boot, both in nanoseconds.
    func unix(_ time: UInt64) -> Int64 { Int64(truncatingIfNeeded: time) &+ clockOffset }

    // MARK: First and last lines

    public mutating func begin(_ session: Session, devices: [DeviceInfo], into out: inout ByteWriter) {
        clockOffset = session.clockOffset
        out.append("vfioscope \(text: session.toolVersion) on Linux \(text: session.kernel), ")
        out.append("\(devices.count) \(devices.count == 1 ? "device" : "devices") known, ")
        out.line("since \(time: unix(session.began))")
        for hook in session.hooks where hook.how.hasPrefix("missing") {
            out.line("   not seen on this kernel: \(text: hook.name)")
        }
    }

    public mutating func end(_ evidence: Evidence, graph: borrowing Graph, into out: inout ByteWriter) {
        if ledger.count == 0 {
            out.append("No findings; ")
        } else {
            out.append("\(ledger.count) \(ledger.count == 1 ? "finding" : "findings") (")
            let present = Severity.allCases.reversed().filter { ledger.count(of: $0) > 0 }
            for (index, severity) in present.enumerated() {
                out.append("\(index == 0 ? "" : ", ")\(ledger.count(of: severity)) \(severity)")
            }
            out.append("); ")
        }
        out.append("\(evidence.delivered) records, ")
        if evidence.lost == 0 { out.append("none") } else { out.append(evidence.lost) }
        out.line(" lost.")
        for defect in evidence.defects {
            paint(.alarm, &out)
            out.append("   incomplete: ")
            paint(.uncoloured, &out)
            out.line("\(text: defect)")
        }
        out.flush()
    }

    // MARK: Findings

    public mutating func finding(
        _ finding: Finding, suppressed reason: String?, graph: borrowing Graph, into out: inout ByteWriter
    ) {
        let isKnown = ledger.contains(finding.id)
        ledger.record(finding, isSuppressed: reason != nil)
        headline(finding, suppressed: reason != nil, isKnown: isKnown, &out)
        if isKnown, finding.until != nil { return }
        out.line("                 \(text: finding.message)")
        if let reason { out.line("                 suppressed by the policy: \(text: reason)") }
        out.append("                 ")
        place(finding, graph, &out)
        if finding.isAfterGap { out.append("; records had been lost by then: it may have begun earlier") }
        out.endLine()
    }

    /// `14:13:22.500  !! HIGH stale-mapping f1: since 14:13:22.000`
    private func headline(_ finding: Finding, suppressed: Bool, isKnown: Bool, _ out: inout ByteWriter) {
        dim(&out) { $0.append(timeOfDay: unix(finding.time)) }
        paint(suppressed ? .faint : finding.state == .open ? .alarm : .relief, &out)
        out.append(finding.state == .resolved ? "  ok " : suppressed ? "  -- " : "  !! ")
        out.append("\(text: finding.severity.name.uppercased()) \(text: finding.rule)")
        paint(.uncoloured, &out)
        out.append(" f\(finding.id)")
        guard let until = finding.until else {
            return out.line("\(isKnown ? ": changed, since " : ": since ")\(timeOfDay: unix(finding.since))")
        }
        let held = until >= finding.since ? until - finding.since : 0
        switch finding.occurrences {
        case 1?: out.line(": over, it happened once")
        case let times?: out.line(": over, it happened \(times) times within \(duration: held)")
        case nil:
            let wording = RuleRegistry.rule(finding.rule)?.durationWording ?? "over, it held for"
            out.line(": \(text: wording) \(duration: held)")
        }
    }

    /// `c1 (qemu, pid 17) 0x80000000-0x800fffff → 0000:02:00.0 BAR 0, reachable`, or as much of it
    /// as there is.
    private func place(_ finding: Finding, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        if let container = finding.container { out.append(container) } else { out.append("no container") }
        if finding.actor != Actor() {
            out.append(" (\(text: graph.displayName(for: finding.actor)), pid \(finding.actor.process.pid))")
        }
        if let iova = finding.iova, let size = finding.size { out.append(" \(iova: iova, size: max(size, 1))") }
        if let device = finding.device, let bar = finding.bar, let offset = finding.barOffset {
            out.append(" → \(device) \(bar: bar, offset: offset) \(size: finding.size ?? 0)")
        }
        if let reachable = finding.reachable { out.append(reachable ? ", reachable" : ", not reachable now") }
    }

    // MARK: Colour

    enum Paint { case uncoloured, faint, alarm, warning, relief }

    func paint(_ paint: Paint, _ out: inout ByteWriter) {
        guard colour else { return }
        switch paint {
        case .uncoloured: out.append("\u{1b}[0m")
        case .faint: out.append("\u{1b}[2m")
        case .alarm: out.append("\u{1b}[1;31m")
        case .warning: out.append("\u{1b}[33m")
        case .relief: out.append("\u{1b}[32m")
        }
    }

    func dim(_ out: inout ByteWriter, _ body: (inout ByteWriter) -> Void) {
        paint(.faint, &out)
        body(&out)
        paint(.uncoloured, &out)
    }
}
