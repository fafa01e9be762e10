// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// The graph at one moment as one JSON document (docs/graph.md): every container with its mappings,
/// every group and device, how each is known, and the findings that are open.
public struct GraphJSON: GraphOutput {
    public static let schema: StaticString = "vfioscope.graph/1"

    public init() {}

    public func write(
        _ graph: borrowing Graph, findings: [Finding], at time: UInt64, session: Session, into out: inout ByteWriter
    ) {
        let groups = graph.groups.values.filter { $0.container != nil || $0.openDescriptors > 0 }
        let devices = graph.devices.values.filter { !$0.isRemoved }
        out.append("{")
        out.member("schema", Self.schema)
        out.member("t", time)
        out.key("time")
        out.append("\"\(time: Int64(truncatingIfNeeded: time) &+ session.clockOffset)\"")
        out.member("kernel", session.kernel)
        out.member("boot_id", session.bootID)
        rows("containers", graph.containers, &out) { write($0, graph, at: time, &$1) }
        rows("processes", graph.namedProcesses(), &out) { write($0, graph, at: time, &$1) }
        rows("groups", groups.sorted { $0.number < $1.number }, &out) { write($0, &$1) }
        rows("devices", devices.sorted { $0.address < $1.address }, &out) { write($0, graph, &$1) }
        rows("findings", findings, &out) { write($0, &$1) }
        out.line("}")
        out.flush()
    }

    /// A list whose elements are one a line: such a document can be large, and is read by people
    /// too.
    private func rows<Elements: Sequence>(
        _ name: StaticString, _ elements: Elements, _ out: inout ByteWriter,
        _ body: (Elements.Element, inout ByteWriter) -> Void
    ) {
        out.list(name, elements) { element, out in
            out.endLine()
            body(element, &out)
        }
    }

    private func write(_ container: Container, _ graph: borrowing Graph, at time: UInt64, _ out: inout ByteWriter) {
        let capacity = graph.mappingCapacity(of: container.id, at: time)
        out.append("{")
        out.member("container", container.id)
        out.member("provenance", container.provenance.word)
        actor(container.opener, graph, &out)
        out.member("closed", container.closed != nil)
        out.member("iommu_type", orNull: container.iommu == nil ? nil : container.iommuType)
        out.list("groups", container.groups.sorted()) { $1.append($0) }
        out.member("bytes", graph.mappedBytes(in: container.id))
        out.object("capacity") { out in
            out.member("mappings", capacity.mappings)
            out.member("limit", capacity.limit)
            exhaustion(capacity.exhaustedIn, &out)
        }
        var maker = MakerText()
        rows("mappings", graph.mappings(in: container.id), &out) { write($0, &maker, graph, &$1) }
        out.append("}")
    }

    private func write(_ process: Actor, _ graph: borrowing Graph, at time: UInt64, _ out: inout ByteWriter) {
        out.append("{")
        out.member("pid", process.process.pid)
        out.member("start", process.process.start)
        out.member("comm", process.comm)
        if let info = graph.processInfo(for: process.process) { out.append(facts: info) }
        if let capacity = graph.memoryCapacity(of: process.process, at: time) {
            out.object("capacity") { out in
                out.member("pinned_bytes", capacity.pinnedBytes)
                out.member("limit_bytes", orNull: capacity.limitBytes)
                exhaustion(capacity.exhaustedIn, &out)
            }
        }
        out.append("}")
    }

    /// Seconds with one decimal; the rest is cut off.
    private func exhaustion(_ nanoseconds: UInt64?, _ out: inout ByteWriter) {
        guard let nanoseconds else { return }
        out.key("exhausted_in_seconds")
        out.append("\(nanoseconds / 1_000_000_000).\(nanoseconds / 100_000_000 % 10)")
    }

    // MARK: Mappings: nearly all of a large document, so literals behind one cursor

    /// Who made the mapping that was written last, which is nearly always who made the next one.
    private struct MakerText {
        var owner: UInt32?
        var text: [UInt8] = []
    }

    private func write(_ mapping: Mapping, _ maker: inout MakerText, _ graph: borrowing Graph, _ out: inout ByteWriter)
    {
        if mapping.owner != maker.owner {
            maker = MakerText(
                owner: mapping.owner, text: ByteWriter.gather { actor(graph.actor(at: mapping.owner), graph, &$0) })
        }
        let targets = mapping.peer.flatMap { graph.peer($0) }?.targets ?? Few()
        var line = out.room(256)
        line.put(#"{"iova":"0x"#)
        line.put(hex: mapping.iova)
        line.put(#"","size":"#)
        line.put(mapping.size)
        if mapping.readable { line.put(#","read":true"#) } else { line.put(#","read":false"#) }
        if mapping.writable { line.put(#","write":true"#) } else { line.put(#","write":false"#) }
        if _fastPath(mapping.provenance == .observed) {
            line.put(#","provenance":"observed""#)
        } else {
            line.put(#","provenance":""#)
            line.put(mapping.provenance.word.text)
            line.put("\"")
        }
        out.commit(line)
        maker.text.withUnsafeBytes { out.append($0) }
        line = out.room(256)
        line.put(#","ram":"#)
        line.put(
            mapping.isTargetUnknown ? 0 : mapping.size &- min(mapping.size, targets.reduce(0) { $0 &+ $1.size }))
        if mapping.isTargetUnknown { line.put(#","target_unknown":true"#) }
        if !targets.isEmpty { line.put(#","targets":["#) }
        out.commit(line)
        if !targets.isEmpty {
            out.append(json: targets)
            out.append("]")
        }
        out.append("}")
    }

    // MARK: Groups, devices, findings

    private func write(_ group: Group, _ out: inout ByteWriter) {
        out.object { out in
            out.member("group", group.number)
            out.member("container", orNull: group.container)
            out.member("provenance", group.provenance.word)
        }
    }

    private func write(_ device: Device, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        out.append("{")
        out.member("device", device.address)
        out.member("group", orNull: device.group)
        out.member("driver", orNull: device.info.driver.isEmpty ? nil : device.info.driver)
        out.member("open", device.isOpen)
        out.member("provenance", device.provenance.word)
        if device.isOpen { actor(device.opener, graph, &out) }
        out.member("memory", device.memoryEnabled)
        out.member("power", device.power.word)
        out.member("in_reset", device.resetDepth > 0)
        let buffers = graph.buffers(of: device.address)
        if !buffers.isEmpty { out.list("dma_bufs", buffers) { write($0, graph, &$1) } }
        let kept = graph.allKeptAreas.filter { $0.device == device.address }
        if !kept.isEmpty { out.list("kept_bars", kept) { write($0, graph, &$1) } }
        out.append("}")
    }

    private func write(_ buffer: ExportedBuffer, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        out.append("{")
        out.member("inode", buffer.inode)
        out.member("size", buffer.size)
        out.member("revoked", buffer.isRevoked)
        actor(buffer.exporter, graph, &out)
        out.append("}")
    }

    private func write(_ area: KeptArea, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        out.append("{")
        out.member("bar", area.bar)
        out.member("bar_offset", area.barOffset)
        out.member("size", area.size)
        actor(area.holder, graph, &out)
        out.append("}")
    }

    private func write(_ finding: Finding, _ out: inout ByteWriter) {
        out.object { out in
            out.member("id", FindingName(finding.id))
            out.member("rule", finding.rule)
            out.member("severity", finding.severity.word)
            out.member("container", finding.container)
            out.member("iova", hex: finding.iova)
            out.member("device", finding.device)
            out.member("since", finding.since)
            out.member("message", finding.message)
        }
    }

    /// `pid`, `start`, `comm` and, where known, `vm`; nothing where the process is not known.
    private func actor(_ actor: Actor?, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        guard let actor, actor != Actor() else { return }
        out.member("pid", actor.process.pid)
        out.member("start", actor.process.start)
        out.member("comm", actor.comm)
        guard let vm = graph.processInfo(for: actor.process)?.vm, !vm.isEmpty else { return }
        out.member("vm", vm)
    }
}
