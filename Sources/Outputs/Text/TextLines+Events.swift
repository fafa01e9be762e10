import Events
import MappingGraph

extension TextLines {
    /// Columns of the name and of the verb.
    private static let nameWidth = 16
    private static let pidWidth = 7
    private static let verbWidth = 15

    public mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph, into out: inout ByteWriter) {
        if !applied.missing.isEmpty { gone = (applied.container, gone.count &+ UInt64(applied.missing.count)) }
        switch event.kind {
        case .extent, .deviceInfo, .processInfo: return
        case .processExit:
            removed[event.actor.tid] = nil
            line("exit", event, graph, &out) { _ in }
        case .processExec: line("exec", event, graph, &out) { _ in }
        case .map(let map): write(map, event, applied, graph, &out)
        case .mappingRemoved(let removal):
            if removal.cause == .request { removed[event.actor.tid, default: 0] &+= removal.size }
            guard removal.cause != .failedMap else { return }
            line("unmap", event, graph, &out) { out in
                container(applied.container, &out)
                range(removal.iova, removal.size, &out)
                if removal.cause == .teardown { out.append("  teardown") }
                if let peer = applied.removed?.peer { out.append(peer < .max ? "  device memory" : "") }
            }
        case .unmapRequest(let request): write(request, event, applied, graph, &out)
        case .loss(let since, let lost):
            line("LOST", event, graph, &out, .alarm) { out in
                out.append(lost)
                out.append(lost == 1 ? " record since " : " records since ")
                out.append(timeOfDay: Int64(truncatingIfNeeded: since) &+ clockOffset)
                out.append(": what happened in between is not known")
            }
        case .memoryDecode(let device, let enabled, let origin):
            guard changed(device, \.memory, enabled) else { return }
            line(enabled ? "memory on" : "memory off", event, graph, &out) { out in
                out.append(device)
                if origin == .host { out.append("  by the host") }
            }
        case .dmaBuf(let buffer): write(buffer, event, applied, graph, &out)
        case .reset(let device, let phase, let wholeBus):
            // One reset passes through several functions: only the outermost is shown.
            guard phase == .begin ? resetDepth(device) <= 1 : resetDepth(device) == 0 else { return }
            func resetDepth(_ device: PCIAddress) -> UInt32 { graph.device(device)?.resetDepth ?? 0 }
            line(phase == .begin ? "reset" : "reset done", event, graph, &out) { out in
                out.append(device)
                if wholeBus { out.append("  whole bus") }
            }
        case .power(let device, let state, let origin):
            guard changed(device, \.power, state) else { return }
            line("power", event, graph, &out) { out in
                out.append(device)
                out.append("  ")
                out.append(state.timelineName)
                if origin == .host { out.append("  by the host") }
            }
        case .deviceOpen, .deviceClose, .deviceFirstOpen, .deviceLastClose, .barMmap, .keptBar, .driverBind,
            .driverUnbind, .deviceRemove, .barsAssigned:
            writeDevice(event, graph, &out)
        case .snapshotBegin, .snapshotEnd, .snapshotContainer, .snapshotGroup, .snapshotDevice, .snapshotHolder,
            .walkBegin, .walkEnd:
            writeSnapshot(event, graph, &out)
        default: writeContainer(event, applied, graph, &out)
        }
    }

    /// Whether a device's state is another than the one shown last; a first state counts when it is
    /// not the usual one.
    private mutating func changed<Value: Equatable>(
        _ device: PCIAddress, _ field: WritableKeyPath<ShownState, Value>, _ value: Value
    ) -> Bool {
        let before = shown[device, default: ShownState()]
        shown[device, default: ShownState()][keyPath: field] = value
        return before[keyPath: field] != value
    }

    /// Writes time, who and verb in their columns, then what `body` says.
    func line(
        _ verb: StaticString, _ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter, _ tint: Paint = .plain,
        _ body: (inout ByteWriter) -> Void
    ) {
        dim(&out) { $0.append(timeOfDay: Int64(truncatingIfNeeded: event.time) &+ clockOffset) }
        out.append("  ")
        var mark = out.count
        if event.actor != Actor() {
            if let title = graph.processInfo(for: event.actor.process)?.title, !title.isEmpty {
                out.append(plain: title)
            } else {
                out.append(plain: event.actor.comm)
            }
            out.cut(from: mark, to: Self.nameWidth)
            out.pad(from: mark, to: Self.nameWidth + 1)
            let digits = out.count
            out.append(event.actor.process.pid)
            out.pad(from: digits, to: Self.pidWidth)
        } else {
            out.append("kernel")
        }
        out.pad(from: mark, to: Self.nameWidth + 1 + Self.pidWidth)
        out.append("  ")
        if tint != .plain { paint(tint, &out) }
        mark = out.count
        out.append(verb)
        out.pad(from: mark, to: Self.verbWidth)
        if tint != .plain { paint(.plain, &out) }
        body(&out)
        out.trimSpaces()
        out.endLine()
    }

    func container(_ id: ContainerID?, _ out: inout ByteWriter) {
        let mark = out.count
        if let id {
            out.append("c")
            out.append(id.number)
        } else {
            out.append("c?")
        }
        out.pad(from: mark, to: 4)
        out.append(byte: 0x20)
    }

    private func range(_ iova: UInt64, _ size: UInt64, _ out: inout ByteWriter) {
        out.append(iova: iova, size: size)
        out.append("  ")
        out.append(size: size)
    }

    private func error(_ result: Int32, _ out: inout ByteWriter) {
        if let name = Errno.name(0 &- result) { out.append(name) } else { out.append(Int64(result)) }
    }

    // MARK: Mappings

    private mutating func write(
        _ map: Map, _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        if map.provenance == .snapshot {
            if !applied.raced { found.mappings &+= 1 }
            // Of RAM there can be a great many, and what was known has been told.
            guard !applied.targets.isEmpty, !applied.known || applied.replaced else { return }
        }
        let targets = Self.joined(applied.targets)
        line(
            map.result != 0 ? "map FAILED" : map.vaddrOnly ? "map vaddr" : "map", event, graph, &out,
            map.result != 0 ? .warning : .plain
        ) { out in
            container(applied.container, &out)
            range(map.iova, map.size, &out)
            out.append(map.readable ? map.writable ? "  rw" : "  r-" : map.writable ? "  -w" : "  --")
            if map.result != 0 {
                out.append("  ")
                error(map.result, &out)
            }
            if targets.isEmpty, map.result == 0 { out.append("  RAM") }
            for (index, target) in targets.prefix(4).enumerated() {
                out.append(index == 0 ? "  → " : ", ")
                out.append(target)
            }
            if targets.count > 4 || map.moreExtents { out.append(", …") }
            if !targets.isEmpty, map.deviceBytes < map.size {
                out.append(" and RAM ")
                out.append(size: map.size - map.deviceBytes)
            }
            if map.provenance == .snapshot {
                out.append(graph.lastGap == nil ? "  (made before tracing)" : "  (its making was not seen)")
            }
            if applied.replaced { out.append("  (its range was mapped: a removal was not seen)") }
            if applied.raced { out.append("  (gone already)") }
        }
    }

    /// Pieces of device memory of which the owner is not known are told as one, wherever they lie.
    private static func joined(_ targets: Few<Target>) -> [Target] {
        var joined: [Target] = []
        var unknown: UInt64 = 0
        for target in targets { if target.device == nil { unknown &+= target.size } else { joined.append(target) } }
        if unknown > 0 { joined.append(Target(device: nil, bar: 0, barOffset: 0, iova: 0, size: unknown)) }
        return joined
    }

    /// Shows a request only where the removals before it do not tell the same.
    private mutating func write(
        _ request: UnmapRequest, _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        let gone = removed.removeValue(forKey: event.actor.tid) ?? 0
        // VFIO_DMA_UNMAP_FLAG_ALL: kernels differ in whether they return the bytes;
        // VFIO_DMA_UNMAP_FLAG_VADDR removes nothing.
        let isAll = request.flags & 2 != 0, isVaddr = request.flags & 4 != 0
        if request.result == 0, isVaddr || (isAll && gone > 0) || (gone == request.size && gone > 0 && !request.differs)
        {
            return
        }
        line(request.result != 0 ? "unmap FAILED" : "unmap", event, graph, &out, .warning) { out in
            container(applied.container, &out)
            if request.result != 0 {
                range(request.iova, request.size, &out)
                out.append("  ")
                error(request.result, &out)
            } else if request.size == 0, gone == 0 {
                out.append(isAll ? "all" : "at ")
                if !isAll { out.append(hex: request.iova) }
                let isThere =
                    applied.container.flatMap { graph.mapping(overlapping: request.iova, request.last, in: $0) } != nil
                out.append(
                    isThere && !isAll
                        ? "  removed nothing, but a mapping is there" : "  hit nothing: no mapping was there")
            } else if gone == request.size, let requested = request.requested {
                range(request.iova, requested, &out)
                out.append("  asked for; removed: ")
                out.append(size: gone)
            } else {
                range(request.iova, request.size, &out)
                out.append("  said to be removed; seen: ")
                out.append(size: gone)
            }
        }
    }

    // MARK: Devices

    private func writeDevice(_ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        func use(_ verb: StaticString, _ use: DeviceUse, _ out: inout ByteWriter) {
            line(verb, event, graph, &out) { out in
                if let device = use.device { out.append(device) } else { out.append("a device not on PCI") }
                if let group = use.group {
                    out.append("  group ")
                    out.append(group)
                }
                if let open = use.openCount {
                    out.append("  open ")
                    out.append(open)
                }
            }
        }
        switch event.kind {
        case .deviceOpen(let it): use("device open", it, &out)
        case .deviceClose(let it): use("device close", it, &out)
        case .deviceFirstOpen(let it): use("first open", it, &out)
        case .deviceLastClose(let it): use("last close", it, &out)
        case .barMmap(let mmap):
            line("bar mmap", event, graph, &out) { out in
                out.append(mmap.device)
                if let target = graph.resolve(address: mmap.address, size: 1).first, target.device == mmap.device {
                    out.append(byte: 0x20)
                    out.append(bar: target.bar, offset: target.barOffset)
                }
                out.append("  ")
                out.append(size: mmap.size)
            }
        case .keptBar(let kept):
            line(kept.isKept ? "BAR kept" : "BAR let go", event, graph, &out, kept.isKept ? .warning : .plain) { out in
                out.append(kept.device)
                if let target = graph.resolve(address: kept.address, size: 1).first, target.device == kept.device {
                    out.append(byte: 0x20)
                    out.append(bar: target.bar, offset: target.barOffset)
                }
                out.append("  ")
                out.append(size: kept.size)
            }
        case .driverBind(let info), .driverUnbind(let info):
            let isBind = if case .driverBind = event.kind { true } else { false }
            line(isBind ? "bind" : "unbind", event, graph, &out) { out in
                out.append(info.device)
                out.append("  ")
                if info.driver.isEmpty { out.append("no driver") } else { out.append(plain: info.driver) }
            }
        case .barsAssigned(let info): line("bars assigned", event, graph, &out) { $0.append(info.device) }
        case .deviceRemove(let device): line("removed", event, graph, &out, .warning) { $0.append(device) }
        default: return
        }
    }

    // MARK: Containers and groups

    private func writeContainer(_ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        func iommu(_ out: inout ByteWriter) {
            guard applied.linked else { return }
            line("set iommu", event, graph, &out) { out in
                container(applied.container, &out)
                switch applied.container.flatMap({ graph.container($0)?.iommuType }) {
                case 1: out.append("type1")
                case 3: out.append("type1v2")
                default: break
                }
            }
        }
        func group(_ number: UInt32, _ out: inout ByteWriter) {
            out.append("group ")
            out.append(number)
        }
        switch event.kind {
        case .containerOpen: line("container open", event, graph, &out) { container(applied.container, &$0) }
        case .containerClose: line("container shut", event, graph, &out) { container(applied.container, &$0) }
        case .iommuOpen: iommu(&out)
        case .iommuRelease: line("release", event, graph, &out) { container(applied.container, &$0) }
        case .iommuAttach(_, let number, let result):
            iommu(&out)
            guard result != 0 else { return }
            line("attach FAILED", event, graph, &out, .warning) { out in
                container(applied.container, &out)
                group(number, &out)
                out.append("  ")
                error(result, &out)
            }
        case .groupOpen(let number): line("group open", event, graph, &out) { group(number, &$0) }
        case .groupClose(let number): line("group close", event, graph, &out) { group(number, &$0) }
        case .groupAttach(let number, _):
            line("attach", event, graph, &out) { out in
                container(applied.container, &out)
                group(number, &out)
            }
            iommu(&out)
        case .groupDetach(let number, _):
            line("detach", event, graph, &out) { out in
                container(applied.container, &out)
                group(number, &out)
            }
        default: return
        }
    }
}
