import Events
import Findings
import MappingGraph

/// The trace for people: one aligned line an event, findings on lines of their own.
///
/// Times are UTC. What is routine is left out: what devices and processes are, unmap requests that
/// did what their removals say, and what a snapshot finds but for mappings of device memory.
public struct TextLines: EventOutput {
    let colour: Bool
    public var clockOffset: Int64 = 0
    /// Bytes removed by a thread since its last unmap request returned.
    var removed: [UInt32: UInt64] = [:]
    private var opened: [UInt32: Severity] = [:]
    /// Those that a policy suppresses: not among `opened`.
    private var suppressed: Set<UInt32> = []
    /// A device's state as the lines above have it, so that writing the same again is not news.
    var shown: [PCIAddress: ShownState] = [:]

    /// Since the snapshot began.
    var found = Found()
    /// Mappings that the walk in progress has shown to be gone, and whose they were.
    var gone: (container: ContainerID?, count: UInt64) = (nil, 0)

    struct ShownState {
        var memory = true
        var power = PowerState.d0
    }

    /// What a snapshot found: some things are found more than once.
    struct Found {
        var containers: Set<ContainerKey> = []
        var groups: Set<UInt32> = []
        var openDevices: Set<PCIAddress> = []
        /// Open devices that are not on PCI.
        var otherDevices: UInt64 = 0
        var mappings: UInt64 = 0
    }

    public init(options: OutputOptions = OutputOptions()) { colour = options.colour }

    // MARK: First and last lines

    public mutating func begin(_ session: Session, devices: [DeviceInfo], into out: inout ByteWriter) {
        clockOffset = session.clockOffset
        out.append("vfioscope ")
        out.append(plain: session.toolVersion)
        out.append(" on Linux ")
        out.append(plain: session.kernel)
        out.append(", ")
        out.append(UInt64(devices.count))
        out.append(devices.count == 1 ? " device known, since " : " devices known, since ")
        out.append(time: Int64(truncatingIfNeeded: session.began) &+ clockOffset)
        out.endLine()
        for hook in session.hooks where hook.how.hasPrefix("missing") {
            out.append("   not seen on this kernel: ")
            out.append(plain: hook.name)
            out.endLine()
        }
    }

    public mutating func end(_ evidence: Evidence, graph: borrowing Graph, into out: inout ByteWriter) {
        if opened.isEmpty {
            out.append("No findings; ")
        } else {
            out.append(UInt64(opened.count))
            out.append(opened.count == 1 ? " finding (" : " findings (")
            var first = true
            for severity in Severity.allCases.reversed() {
                let count = opened.values.count { $0 == severity }
                guard count > 0 else { continue }
                if !first { out.append(", ") }
                first = false
                out.append(UInt64(count))
                out.append(byte: 0x20)
                out.append(severity.timelineName)
            }
            out.append("); ")
        }
        out.append(evidence.delivered)
        out.append(" records, ")
        if evidence.lost == 0 { out.append("none") } else { out.append(evidence.lost) }
        out.append(" lost.")
        out.endLine()
        for defect in evidence.defects {
            paint(.alarm, &out)
            out.append("   incomplete: ")
            paint(.plain, &out)
            out.append(plain: defect)
            out.endLine()
        }
        out.flush()
    }

    // MARK: Findings

    public mutating func finding(
        _ finding: Finding, suppressed reason: String?, graph: borrowing Graph, into out: inout ByteWriter
    ) {
        let isKnown = opened[finding.id] != nil || suppressed.contains(finding.id)
        if reason == nil {
            suppressed.remove(finding.id)
            opened[finding.id] = max(opened[finding.id] ?? .info, finding.severity)
        } else if opened[finding.id] == nil {
            suppressed.insert(finding.id)
        }
        dim(&out) { $0.append(timeOfDay: Int64(truncatingIfNeeded: finding.time) &+ clockOffset) }
        paint(reason != nil ? .faint : finding.state == .open ? .alarm : .relief, &out)
        out.append(finding.state == .resolved ? "  ok " : reason == nil ? "  !! " : "  -- ")
        for byte in finding.severity.name.utf8 { out.append(byte: byte & 0xdf) }
        out.append(byte: 0x20)
        out.append(plain: finding.rule)
        paint(.plain, &out)
        out.append(" f")
        out.append(finding.id)
        if let until = finding.until {
            if let occurrences = finding.occurrences {
                out.append(": over, it happened ")
                if occurrences == 1 {
                    out.append("once")
                } else {
                    out.append(occurrences)
                    out.append(" times within ")
                }
            } else {
                out.append(": ")
                out.append(plain: RuleRegistry.rule(finding.rule)?.durationWording ?? "over, it held for")
                out.append(byte: 0x20)
            }
            if finding.occurrences != 1 { out.append(duration: until >= finding.since ? until - finding.since : 0) }
            if isKnown { return out.endLine() }
        } else {
            out.append(isKnown ? ": changed, since " : ": since ")
            out.append(timeOfDay: Int64(truncatingIfNeeded: finding.since) &+ clockOffset)
        }
        out.endLine()
        indent(&out)
        out.append(plain: finding.message)
        out.endLine()
        if let reason {
            indent(&out)
            out.append("suppressed by the policy: ")
            out.append(plain: reason)
            out.endLine()
        }
        indent(&out)
        place(finding, graph, &out)
        if finding.isAfterGap { out.append("; records had been lost by then: it may have begun earlier") }
        out.endLine()
    }

    /// `c1 (qemu, pid 17) 0x80000000-0x800fffff → 0000:02:00.0 BAR 0, reachable`, or as much of it
    /// as there is.
    private func place(_ finding: Finding, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        if let container = finding.container {
            out.append(string: container.description)
        } else {
            out.append("no container")
        }
        if finding.actor != Actor() {
            out.append(" (")
            out.append(plain: graph.displayName(for: finding.actor))
            out.append(", pid ")
            out.append(finding.actor.process.pid)
            out.append(")")
        }
        if let iova = finding.iova, let size = finding.size {
            out.append(byte: 0x20)
            out.append(iova: iova, size: max(size, 1))
        }
        if let device = finding.device, let bar = finding.bar, let offset = finding.barOffset {
            out.append(" → ")
            out.append(
                Target(device: device, bar: bar, barOffset: offset, iova: finding.iova ?? 0, size: finding.size ?? 0))
        }
        if let reachable = finding.reachable { out.append(reachable ? ", reachable" : ", not reachable now") }
    }

    private func indent(_ out: inout ByteWriter) { out.append("                 ") }

    // MARK: Colour

    enum Paint { case plain, faint, alarm, warning, relief }

    func paint(_ paint: Paint, _ out: inout ByteWriter) {
        guard colour else { return }
        switch paint {
        case .plain: out.append("\u{1b}[0m")
        case .faint: out.append("\u{1b}[2m")
        case .alarm: out.append("\u{1b}[1;31m")
        case .warning: out.append("\u{1b}[33m")
        case .relief: out.append("\u{1b}[32m")
        }
    }

    func dim(_ out: inout ByteWriter, _ body: (inout ByteWriter) -> Void) {
        paint(.faint, &out)
        body(&out)
        paint(.plain, &out)
    }
}
