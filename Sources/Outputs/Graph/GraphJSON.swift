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
        out.append(#"{"schema":""#)
        out.append(Self.schema)
        out.append(#"","t":"#)
        out.append(time)
        out.append(#","time":""#)
        out.append(time: Int64(truncatingIfNeeded: time) &+ session.clockOffset)
        out.append(#"","kernel":"#)
        out.append(json: session.kernel)
        out.append(#","boot_id":"#)
        out.append(json: session.bootID)
        list(#","containers":["#, graph.containers, &out) { write($0, graph, at: time, &$1) }
        list(#","processes":["#, graph.namedProcesses(), &out) { write($0, graph, at: time, &$1) }
        list(
            #","groups":["#,
            graph.groups.values.filter { $0.container != nil || $0.openDescriptors > 0 }.sorted {
                $0.number < $1.number
            }, &out
        ) { write($0, &$1) }
        list(#","devices":["#, graph.devices.values.filter { !$0.isRemoved }.sorted { $0.address < $1.address }, &out) {
            write($0, graph, &$1)
        }
        list(#","findings":["#, findings, &out) { write($0, &$1) }
        out.append(byte: 0x7d)
        out.endLine()
        out.flush()
    }

    /// Elements one a line: such a document can be large, and is read by people too.
    private func list<Elements: Sequence>(
        _ opening: StaticString, _ elements: Elements, _ out: inout ByteWriter,
        _ body: (Elements.Element, inout ByteWriter) -> Void
    ) {
        out.append(opening)
        var isFirst = true
        for element in elements {
            if !isFirst { out.append(byte: 0x2c) }
            isFirst = false
            out.endLine()
            body(element, &out)
        }
        out.append(byte: 0x5d)
    }

    private func write(_ container: Container, _ graph: borrowing Graph, at time: UInt64, _ out: inout ByteWriter) {
        out.append(#"{"container":"c"#)
        out.append(container.id.number)
        out.append(#"","provenance":""#)
        out.append(container.provenance.timelineName)
        out.append(byte: 0x22)
        actor(container.opener, graph, &out)
        out.append(container.closed == nil ? #","closed":false"# : #","closed":true"#)
        out.append(#","iommu_type":"#)
        if container.iommu != nil, let type = container.iommuType { out.append(type) } else { out.append("null") }
        out.append(#","groups":["#)
        for (index, number) in container.groups.sorted().enumerated() {
            if index > 0 { out.append(byte: 0x2c) }
            out.append(number)
        }
        out.append(#"],"bytes":"#)
        out.append(graph.mappedBytes(in: container.id))
        let capacity = graph.mappingCapacity(of: container.id, at: time)
        out.append(#","capacity":{"mappings":"#)
        out.append(UInt64(capacity.mappings))
        out.append(#","limit":"#)
        out.append(UInt64(capacity.limit))
        exhaustion(capacity.exhaustedIn, &out)
        out.append(byte: 0x7d)
        var maker = MakerText()
        list(#","mappings":["#, graph.mappings(in: container.id), &out) { write($0, &maker, graph, &$1) }
        out.append(byte: 0x7d)
    }

    private func write(_ process: Actor, _ graph: borrowing Graph, at time: UInt64, _ out: inout ByteWriter) {
        out.append(#"{"pid":"#)
        out.append(process.process.pid)
        out.append(#","start":"#)
        out.append(process.process.start)
        out.append(#","comm":"#)
        out.append(json: process.comm)
        if let info = graph.processInfo(for: process.process) { out.append(facts: info) }
        if let capacity = graph.memoryCapacity(of: process.process, at: time) {
            out.append(#","capacity":{"pinned_bytes":"#)
            out.append(capacity.pinnedBytes)
            out.append(#","limit_bytes":"#)
            if let limit = capacity.limitBytes { out.append(limit) } else { out.append("null") }
            exhaustion(capacity.exhaustedIn, &out)
            out.append(byte: 0x7d)
        }
        out.append(byte: 0x7d)
    }

    /// Seconds with one decimal, cut.
    private func exhaustion(_ nanoseconds: UInt64?, _ out: inout ByteWriter) {
        guard let nanoseconds else { return }
        out.append(#","exhausted_in_seconds":"#)
        out.append(nanoseconds / 1_000_000_000)
        out.append(byte: 0x2e)
        out.append(nanoseconds / 100_000_000 % 10)
    }

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
        if mapping.writable {
            line.put(#","write":true,"provenance":""#)
        } else {
            line.put(#","write":false,"provenance":""#)
        }
        line.put(mapping.provenance.timelineName)
        line.put(byte: 0x22)
        out.commit(line)
        maker.text.withUnsafeBytes { out.append($0) }
        line = out.room(256)
        line.put(#","ram":"#)
        line.put(mapping.size &- min(mapping.size, targets.reduce(0) { $0 &+ $1.size }))
        if !targets.isEmpty { line.put(#","targets":["#) }
        out.commit(line)
        if !targets.isEmpty {
            out.append(json: targets)
            out.append(byte: 0x5d)
        }
        out.append(byte: 0x7d)
    }

    private func write(_ group: Group, _ out: inout ByteWriter) {
        out.append(#"{"group":"#)
        out.append(group.number)
        out.append(#","container":"#)
        if let id = group.container { out.append(json: id.description) } else { out.append("null") }
        out.append(#","provenance":""#)
        out.append(group.provenance.timelineName)
        out.append(#""}"#)
    }

    private func write(_ device: Device, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        out.append(#"{"device":""#)
        out.append(device.address)
        out.append(#"","group":"#)
        if let group = device.group { out.append(group) } else { out.append("null") }
        out.append(#","driver":"#)
        if device.info.driver.isEmpty { out.append("null") } else { out.append(json: device.info.driver) }
        out.append(device.isOpen ? #","open":true,"provenance":""# : #","open":false,"provenance":""#)
        out.append(device.provenance.timelineName)
        out.append(byte: 0x22)
        if device.isOpen { actor(device.opener, graph, &out) }
        out.append(device.memoryEnabled ? #","memory":true,"power":""# : #","memory":false,"power":""#)
        out.append(device.power.timelineName)
        out.append(device.resetDepth > 0 ? #"","in_reset":true"# : #"","in_reset":false"#)
        let buffers = graph.buffers(of: device.address)
        if !buffers.isEmpty {
            out.append(#","dma_bufs":["#)
            for (index, buffer) in buffers.enumerated() {
                out.append(index == 0 ? #"{"inode":"# : #",{"inode":"#)
                out.append(buffer.inode)
                out.append(#","size":"#)
                out.append(buffer.size)
                out.append(buffer.isRevoked ? #","revoked":true"# : #","revoked":false"#)
                actor(buffer.exporter, graph, &out)
                out.append(byte: 0x7d)
            }
            out.append(byte: 0x5d)
        }
        let kept = graph.allKeptAreas.filter { $0.device == device.address }
        if !kept.isEmpty {
            out.append(#","kept_bars":["#)
            for (index, area) in kept.enumerated() {
                out.append(index == 0 ? #"{"bar":"# : #",{"bar":"#)
                out.append(UInt64(area.bar))
                out.append(#","bar_offset":"#)
                out.append(area.barOffset)
                out.append(#","size":"#)
                out.append(area.size)
                actor(area.holder, graph, &out)
                out.append(byte: 0x7d)
            }
            out.append(byte: 0x5d)
        }
        out.append(byte: 0x7d)
    }

    private func write(_ finding: Finding, _ out: inout ByteWriter) {
        out.append(#"{"id":"f"#)
        out.append(finding.id)
        out.append(#"","rule":"#)
        out.append(json: finding.rule)
        out.append(#","severity":""#)
        out.append(finding.severity.timelineName)
        out.append(byte: 0x22)
        if let container = finding.container {
            out.append(#","container":"c"#)
            out.append(container.number)
            out.append(byte: 0x22)
        }
        if let iova = finding.iova {
            out.append(#","iova":""#)
            out.append(hex: iova)
            out.append(byte: 0x22)
        }
        if let device = finding.device {
            out.append(#","device":""#)
            out.append(device)
            out.append(byte: 0x22)
        }
        out.append(#","since":"#)
        out.append(finding.since)
        out.append(#","message":"#)
        out.append(json: finding.message)
        out.append(byte: 0x7d)
    }

    /// `pid`, `start`, `comm` and, where known, `vm`; nothing when it is not known who.
    private func actor(_ actor: Actor?, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        guard let actor, actor != Actor() else { return }
        out.append(#","pid":"#)
        out.append(actor.process.pid)
        out.append(#","start":"#)
        out.append(actor.process.start)
        out.append(#","comm":"#)
        out.append(json: actor.comm)
        guard let vm = graph.processInfo(for: actor.process)?.vm, !vm.isEmpty else { return }
        out.append(#","vm":"#)
        out.append(json: vm)
    }
}
