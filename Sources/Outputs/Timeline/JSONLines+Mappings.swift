// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// The lines of mappings: nearly all lines are, so each is written behind one cursor.
extension JSONLines {
    /// What the graph knows about a map.
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
        _ map: MapRequest, at time: UInt64, by actor: Actor, in container: ContainerID?, to targets: Few<Target>,
        _ marks: Marks,
        _ out: inout ByteWriter
    ) {
        counts[LineType.map.rawValue] &+= 1
        var line = out.room(Self.ordinaryLine)
        line.put(TimelineLiteral.map)
        stamps.put(time, &line)
        actorText.put(actor, in: container, &line)
        let size = sizes.text(map.size)
        line.put(iova: map.iova, size: size)
        if showVaddr {
            line.put(TimelineLiteral.vaddr)
            line.put(hex: map.vaddr)
            line.put("\"")
        }
        if map.readable { line.put(TimelineLiteral.readable) } else { line.put(TimelineLiteral.notReadable) }
        if map.writable { line.put(TimelineLiteral.writable) } else { line.put(TimelineLiteral.notWritable) }
        line.put(result: map.result)
        line.put(TimelineLiteral.ram)
        if _slowPath(map.isTargetUnknown) {
            line.put("0")
        } else if map.deviceBytes == 0 {
            line.put(size)
        } else {
            line.put(map.deviceBytes < map.size ? map.size - map.deviceBytes : 0)
        }
        line.put(TimelineLiteral.targets)
        if !targets.isEmpty {
            out.commit(line)
            out.append(json: targets)
            line = out.room(Self.ordinaryLine)
        }
        if _fastPath(map.provenance == .observed) {
            line.put(TimelineLiteral.observed)
        } else {
            line.put(TimelineLiteral.provenance)
            line.put(map.provenance.word.text)
            line.put("\"")
        }
        if map.began != 0 {
            line.put(TimelineLiteral.began)
            stamps.put(alone: map.began, &line)
        }
        if map.moreExtents { line.put(#","more_targets":true"#) }
        if map.vaddrOnly { line.put(#","vaddr_only":true"#) }
        if let backing = map.backing { put(backing, &line) }
        if map.isMemoryGone { line.put(#","mm_gone":true"#) }
        if map.isTargetUnknown { line.put(#","target_unknown":true"#) }
        if marks.raced { line.put(#","raced":true"#) }
        if marks.replaced { line.put(#","replaced":true"#) }
        if marks.known { line.put(#","known":true"#) }
        line.put("}\n")
        out.commitLine(line)
    }

    private func put(_ backing: Backing, _ line: inout ByteCursor) {
        line.put(#","backing":""#)
        line.put(backing.kind.word.text)
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
        line.put(TimelineLiteral.removal)
        stamps.put(time, &line)
        actorText.put(actor, in: container, &line)
        line.put(iova: iova, size: sizes.text(size))
        if _fastPath(cause == .request) {
            line.put(TimelineLiteral.causeRequest)
        } else {
            line.put(TimelineLiteral.cause)
            line.put(cause.word.text)
            line.put("\"")
        }
        line.put("}\n")
        out.commitLine(line)
    }

    @inline(__always)
    mutating func write(
        _ request: UnmapRequest, at time: UInt64, by actor: Actor, in container: ContainerID?,
        _ out: inout ByteWriter
    ) {
        counts[LineType.unmap.rawValue] &+= 1
        var line = out.room(Self.ordinaryLine)
        line.put(TimelineLiteral.unmapRequest)
        stamps.put(time, &line)
        actorText.put(actor, in: container, &line)
        let size = sizes.text(request.size)
        line.put(iova: request.iova, size: size)
        line.put(TimelineLiteral.flags)
        line.put(request.flags)
        if let requested = request.requested {
            line.put(TimelineLiteral.requested)
            if requested == request.size { line.put(size) } else { line.put(requested) }
        }
        line.put(result: request.result)
        line.put("}\n")
        out.commitLine(line)
    }

    /// The mappings that this event of a snapshot showed to be gone; no process removed them.
    mutating func writeRemoved(
        _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        for mapping in applied.missing {
            openUnattributed(.unmap, .removed, event, &out)
            var line = out.room(Self.ordinaryLine)
            line.put(applied.container)
            line.put(iova: mapping.iova, size: sizes.text(mapping.size))
            line.put(TimelineLiteral.cause)
            line.put(TimelineWord.resync.text)
            line.put("\"}\n")
            out.commitLine(line)
        }
    }
}
