// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// The JSON timeline (docs/timeline.md). `TimelineReader` reads it back. Events that
/// are written, read and written again result in the same bytes.
public struct JSONLines: EventOutput {
    typealias LineType = TimelineLine

    let showVaddr: Bool
    var stamps = LineStamps()
    var actorText = ActorText()
    var sizes = SizeText()
    private var began: UInt64 = 0
    var links = LinkTracker()
    /// Lines by type, for the summary.
    var counts = InlineArray<8, UInt64>(repeating: 0)
    private var ledger = FindingLedger()

    public init(options: OutputOptions = OutputOptions()) { showVaddr = options.showVaddr }

    // MARK: First and last line

    public mutating func begin(_ session: Session, devices: [DeviceInfo], into out: inout ByteWriter) {
        stamps.clockOffset = session.clockOffset
        began = session.began
        begin(.header, &out)
        out.member(.schema, TimelineReader.schema)
        times(session.began, &out)
        out.member(.tool, session.toolVersion)
        out.member(.kernel, session.kernel)
        out.member(.machine, session.machine)
        out.member(.bootID, session.bootID)
        out.member(.clockOffset, session.clockOffset)
        out.member(.mappingLimit, session.mappingLimit)
        out.member(.remapsInterrupts, session.remapsInterrupts)
        out.member(.allowsUnsafeInterrupts, session.allowsUnsafeInterrupts)
        out.member(.iommufd, session.hasIOMMUFD)
        out.list(.hooks, session.hooks) { hook, out in
            out.object { out in
                out.member(.name, hook.name)
                out.member(.function, hook.function)
                out.member(.how, hook.how)
            }
        }
        out.list(.devices, devices) { info, out in out.object { device(info, &$0) } }
        close(&out)
    }

    public mutating func end(_ evidence: Evidence, graph: borrowing Graph, into out: inout ByteWriter) {
        begin(.summary, &out)
        times(evidence.ended, &out)
        out.object(.events) { out in
            for type in TimelineLine.counted { out.member(type.word, counts[type.rawValue]) }
        }
        out.object(.findings) { out in
            for severity in Severity.allCases { out.member(severity.word, ledger.count(of: severity)) }
        }
        if ledger.suppressedCount > 0 { out.member(.suppressed, ledger.suppressedCount) }
        out.member(.attempted, evidence.attempted)
        out.member(.delivered, evidence.delivered)
        out.member(.lost, evidence.lost)
        out.member(.complete, evidence.isComplete)
        let spans = graph.evidenceSpans(began: began, ended: evidence.ended)
        out.list(.completeSpans, spans.suffix(Self.mostSpans)) { span, out in
            out.object { out in
                out.member(.from, span.from)
                out.member(.until, span.until)
            }
        }
        if !evidence.defects.isEmpty { out.list(.defects, evidence.defects) { $1.append(json: $0) } }
        close(&out)
        out.flush()
    }

    /// A summary lists at most this many spans of evidence. If there are more, it lists the last.
    private static let mostSpans = 256

    // MARK: Findings

    public mutating func finding(
        _ finding: Finding, suppressed reason: String?, graph: borrowing Graph, into out: inout ByteWriter
    ) {
        ledger.record(finding, isSuppressed: reason != nil)
        begin(.finding, &out)
        out.member(.id, FindingName(finding.id))
        out.member(.rule, finding.rule)
        out.member(.severity, finding.severity.word)
        out.member(.state, finding.state == .open ? TimelineWord.open : .resolved)
        times(finding.time, &out)
        actor(finding.actor, &out)
        out.append(names: graph.processInfo(for: finding.actor.process))
        out.member(.container, finding.container)
        out.member(.iova, hex: finding.iova)
        out.member(.size, finding.size)
        out.member(.device, finding.device)
        out.member(.bar, finding.bar)
        out.member(.barOffset, finding.barOffset)
        out.member(.reachable, finding.reachable)
        out.member(.since, finding.since)
        out.member(.until, orNull: finding.until)
        if let owner = finding.deviceOwner {
            let names = graph.processInfo(for: owner.process)
            out.object(.deviceOwner) { out in
                out.member(.pid, owner.process.pid)
                out.member(.start, owner.process.start)
                out.member(.comm, owner.comm)
                out.append(names: names)
            }
        }
        out.member(.occurrences, finding.occurrences)
        if finding.holdsMSIXTable { out.member(.msixTable, true) }
        if finding.isAfterGap { out.member(.afterGap, true) }
        out.member(.suppressed, reason)
        out.member(.message, finding.message)
        close(&out)
    }
}
