// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Lines about mappings: nearly all lines are, so they append to the writer piece by piece.
extension TextLines {
    mutating func write(
        _ map: MapRequest, _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        if map.provenance == .snapshot {
            if !applied.raced { found.mappings &+= 1 }
            // There can be a great many mappings of RAM, and known ones have their line already.
            guard !applied.targets.isEmpty, !applied.known || applied.replaced else { return }
        }
        let targets = Self.joined(applied.targets)
        let hasFailed = map.result != 0
        begin(
            hasFailed ? "map FAILED" : map.vaddrOnly ? "map vaddr" : "map", event, graph, &out,
            hasFailed ? .warning : .uncoloured)
        column(applied.container, &out)
        range(map.iova, map.size, &out)
        out.append(Self.access(readable: map.readable, writable: map.writable))
        if hasFailed {
            out.append("  ")
            error(map.result, &out)
        }
        if targets.isEmpty, !hasFailed { out.append("  RAM") }
        for (index, target) in targets.prefix(4).enumerated() {
            out.append(index == 0 ? "  → " : ", ")
            out.append(target)
        }
        if targets.count > 4 || map.moreExtents { out.append(", …") }
        if !targets.isEmpty, map.deviceBytes < map.size {
            out.append(map.isTargetUnknown ? " and unknown " : " and RAM ")
            out.append(size: map.size - map.deviceBytes)
        }
        if map.provenance == .snapshot {
            out.append(graph.lastGap == nil ? "  (made before tracing)" : "  (its making was not seen)")
        }
        if applied.replaced { out.append("  (its range was mapped: a removal was not seen)") }
        if applied.raced { out.append("  (gone already)") }
        end(&out)
    }

    /// What a device may do with a mapping: `  rw`.
    static func access(readable: Bool, writable: Bool) -> StaticString {
        readable ? writable ? "  rw" : "  r-" : writable ? "  -w" : "  --"
    }

    /// The targets, those without a known owner joined into one, wherever they lie.
    private static func joined(_ targets: Few<Target>) -> [Target] {
        var joined: [Target] = []
        var unknown: UInt64 = 0
        for target in targets { if target.device == nil { unknown &+= target.size } else { joined.append(target) } }
        if unknown > 0 { joined.append(Target(device: nil, bar: 0, barOffset: 0, iova: 0, size: unknown)) }
        return joined
    }

    mutating func write(
        _ removal: MappingRemoved, _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        if removal.cause == .request { removed[event.actor.tid, default: 0] &+= removal.size }
        guard removal.cause != .failedMap else { return }
        begin("unmap", event, graph, &out)
        column(applied.container, &out)
        range(removal.iova, removal.size, &out)
        if removal.cause == .teardown { out.append("  teardown") }
        if let peer = applied.removed?.peer { out.append(peer < .max ? "  device memory" : "") }
        end(&out)
    }

    /// Shows a request only where the removals before it do not show the same.
    mutating func write(
        _ request: UnmapRequest, _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        let gone = removed.removeValue(forKey: event.actor.tid) ?? 0
        // VFIO_DMA_UNMAP_FLAG_ALL: kernels differ in whether they return the bytes;
        // VFIO_DMA_UNMAP_FLAG_VADDR removes nothing.
        let isAll = request.flags & 2 != 0, isVaddr = request.flags & 4 != 0
        let removedAll = gone == request.size && gone > 0 && !request.differs
        if request.result == 0, isVaddr || (isAll && gone > 0) || removedAll { return }
        begin(request.result != 0 ? "unmap FAILED" : "unmap", event, graph, &out, .warning)
        column(applied.container, &out)
        if request.result != 0 {
            range(request.iova, request.size, &out)
            out.append("  ")
            error(request.result, &out)
        } else if request.size == 0, gone == 0 {
            writeMiss(request, isAll: isAll, applied.container, graph, &out)
        } else if gone == request.size, let requested = request.requested {
            range(request.iova, requested, &out)
            out.append("  asked for; removed: ")
            out.append(size: gone)
        } else {
            range(request.iova, request.size, &out)
            out.append("  said to be removed; seen: ")
            out.append(size: gone)
        }
        end(&out)
    }

    /// A request that removed nothing, though it succeeded.
    private func writeMiss(
        _ request: UnmapRequest, isAll: Bool, _ container: ContainerID?, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        if isAll { return out.append("all  hit nothing: no mapping was there") }
        let isThere = container.flatMap { graph.mapping(overlapping: request.iova, request.last, in: $0) } != nil
        let outcome: StaticString =
            isThere ? "removed nothing, but a mapping is there" : "hit nothing: no mapping was there"
        out.append("at \(hex: request.iova)  \(outcome)")
    }

    private func range(_ iova: UInt64, _ size: UInt64, _ out: inout ByteWriter) {
        out.append(iova: iova, size: size)
        out.append("  ")
        out.append(size: size)
    }
}
