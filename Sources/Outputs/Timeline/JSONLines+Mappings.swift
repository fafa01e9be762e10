import Events
import MappingGraph

/// The lines of mappings: nearly all that there are, so each is written behind one cursor.
extension JSONLines {
    /// What the graph knew of a map.
    struct Marks {
        var raced = false
        var replaced = false
        var known = false
    }

    public mutating func ordinary(
        _ record: OrdinaryRecord, _ details: OrdinaryRecord.Details, applied: borrowing Applied, graph: borrowing Graph,
        into out: inout ByteWriter
    ) {
        guard applied.isOrdinary else {
            return event(Event(record, details), applied: applied, graph: graph, into: &out)
        }
        let id = applied.container
        switch record.kind {
        case .map: write(record.map(details), at: record.time, by: details.actor, in: id, to: [], Marks(), &out)
        case .removal:
            writeRemoval(record.iova, record.size, .request, at: record.time, by: details.actor, in: id, &out)
        case .unmapRequest: write(record.unmapRequest(details), at: record.time, by: details.actor, in: id, &out)
        }
    }

    @inline(__always)
    mutating func write(
        _ map: Map, at time: UInt64, by actor: Actor, in container: ContainerID?, to targets: Few<Target>,
        _ marks: Marks,
        _ out: inout ByteWriter
    ) {
        counts[LineType.map.rawValue] &+= 1
        var line = out.room(Self.ordinaryLine)
        line.put(#"{"type":"map","t":"#)
        stamps.put(time, &line)
        actorText.put(actor, in: container, &line)
        let size = sizes.text(map.size)
        line.put(iova: map.iova, size: size)
        if showVaddr {
            line.put(#","vaddr":"0x"#)
            line.put(hex: map.vaddr)
            line.put(byte: 0x22)
        }
        if map.readable { line.put(#","read":true"#) } else { line.put(#","read":false"#) }
        if map.writable { line.put(#","write":true"#) } else { line.put(#","write":false"#) }
        line.put(result: map.result)
        line.put(#","ram":"#)
        if map.deviceBytes == 0 {
            line.put(size)
        } else {
            line.put(map.deviceBytes < map.size ? map.size - map.deviceBytes : 0)
        }
        line.put(#","targets":["#)
        if !targets.isEmpty {
            out.commit(line)
            out.append(json: targets)
            line = out.room(Self.ordinaryLine)
        }
        line.put(#"],"provenance":""#)
        line.put(map.provenance.timelineName)
        line.put(byte: 0x22)
        if map.began != 0 {
            line.put(#","began":"#)
            stamps.put(alone: map.began, &line)
        }
        if map.moreExtents { line.put(#","more_targets":true"#) }
        if map.vaddrOnly { line.put(#","vaddr_only":true"#) }
        if let backing = map.backing { put(backing, &line) }
        if map.isMemoryGone { line.put(#","mm_gone":true"#) }
        if marks.raced { line.put(#","raced":true"#) }
        if marks.replaced { line.put(#","replaced":true"#) }
        if marks.known { line.put(#","known":true"#) }
        line.put("}\n")
        out.commitLine(line)
    }

    private func put(_ backing: Backing, _ line: inout ByteCursor) {
        line.put(#","backing":""#)
        line.put(backing.kind.timelineName)
        line.put(#"","backing_device":"#)
        line.put(backing.device)
        line.put(#","backing_inode":"#)
        line.put(backing.inode)
        line.put(#","backing_offset":"#)
        line.put(backing.offset)
    }

    @inline(__always)
    mutating func writeRemoval(
        _ iova: UInt64, _ size: UInt64, _ cause: RemovalCause, at time: UInt64, by actor: Actor,
        in container: ContainerID?,
        _ out: inout ByteWriter
    ) {
        counts[LineType.unmap.rawValue] &+= 1
        var line = out.room(Self.ordinaryLine)
        line.put(#"{"type":"unmap","action":"removed","t":"#)
        stamps.put(time, &line)
        actorText.put(actor, in: container, &line)
        line.put(iova: iova, size: sizes.text(size))
        line.put(#","cause":""#)
        line.put(cause.timelineName)
        line.put("\"}\n")
        out.commitLine(line)
    }

    @inline(__always)
    mutating func write(
        _ request: UnmapRequest, at time: UInt64, by actor: Actor, in container: ContainerID?,
        _ out: inout ByteWriter
    ) {
        counts[LineType.unmap.rawValue] &+= 1
        var line = out.room(Self.ordinaryLine)
        line.put(#"{"type":"unmap","action":"request","t":"#)
        stamps.put(time, &line)
        actorText.put(actor, in: container, &line)
        let size = sizes.text(request.size)
        line.put(iova: request.iova, size: size)
        line.put(#","flags":"#)
        line.put(request.flags)
        if let requested = request.requested {
            line.put(#","requested":"#)
            if requested == request.size { line.put(size) } else { line.put(requested) }
        }
        line.put(result: request.result)
        line.put("}\n")
        out.commitLine(line)
    }

    /// The mappings that this event of a snapshot showed to be gone: nobody took them away.
    mutating func writeRemoved(_ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        for mapping in applied.missing {
            openUnattributed(.unmap, #"{"type":"unmap","action":"removed","t":"#, event, &out)
            var line = out.room(Self.ordinaryLine)
            line.put(applied.container)
            line.put(iova: mapping.iova, size: sizes.text(mapping.size))
            line.put(#","cause":"resync"}"#)
            line.put(byte: 0x0a)
            out.commitLine(line)
        }
    }
}
