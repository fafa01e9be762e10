import Events
import MappingGraph

extension JSONLines {
    public mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph, into out: inout ByteWriter) {
        switch event.kind {
        case .map(let map):
            if applied.newContainer { infer(applied.container, map.iommu, event, graph, &out) }
            // One whose container is gone by now: name it as it was, for its removal stands under
            // that name.
            let id = applied.container ?? (applied.raced ? links.lastContainer(of: map.iommu) : nil)
            // A snapshot repeats what is known: what it does not repeat is gone.
            let isKnown = map.provenance == .snapshot && applied.known && !applied.replaced
            write(
                map, at: event.time, by: event.actor, in: id,
                to: applied.targets,
                Marks(raced: applied.raced, replaced: applied.replaced, known: isKnown), &out)
        case .mappingRemoved(let removal):
            if applied.newContainer { infer(applied.container, removal.iommu, event, graph, &out) }
            writeRemoval(
                removal.iova, removal.size, removal.cause, at: event.time, by: event.actor,
                in: applied.container, &out)
        case .unmapRequest(let request):
            write(request, at: event.time, by: event.actor, in: applied.container, &out)
        case .extent: return
        case .memoryDecode, .reset, .power: writeMemory(event, &out)
        case .processInfo, .processExit, .processExec, .loss: writeOther(event, &out)
        case .deviceOpen, .deviceClose, .deviceFirstOpen, .deviceLastClose, .barMmap, .keptBar, .deviceInfo,
            .driverBind, .driverUnbind, .deviceRemove,
            .barsAssigned, .dmaBuf:
            writeDevice(event, applied, graph, &out)
        case .snapshotBegin, .snapshotEnd, .snapshotContainer, .snapshotGroup, .snapshotDevice, .snapshotHolder,
            .walkBegin, .walkEnd:
            writeSnapshot(event, applied, graph, &out)
        default: writeContainer(event, applied, graph, &out)
        }
        if !applied.missing.isEmpty { writeRemoved(event, applied, graph, &out) }
    }

    // MARK: Containers and groups

    /// The line of a container that no event has named; its type stands on it where an earlier
    /// event told it.
    private mutating func infer(
        _ id: ContainerID?, _ iommu: IOMMUKey?, _ event: Event, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        guard let id else { return }
        open(.container, #"{"type":"container","action":"open","t":"#, event, &out)
        container(id, &out)
        out.append(#","provenance":"inferred""#)
        if let iommu {
            links.infer(id, from: iommu)
            iommuType(id, graph, &out)
        }
        close(&out)
    }

    private func iommuType(_ id: ContainerID, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        guard let type = graph.container(id)?.iommuType, type != 0 else { return }
        out.append(#","iommu_type":"#)
        out.append(type)
    }

    func other(_ key: StaticString, _ id: ContainerID?, _ out: inout ByteWriter) {
        guard let id else { return }
        out.append(key)
        out.append(id.number)
        out.append(byte: 0x22)
    }

    /// The other container of a link, if there is one: see docs/timeline.md, "After a loss".
    private mutating func link(_ id: ContainerID?, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        guard let id, let found = graph.container(id) else { return }
        iommuType(id, graph, &out)
        let link = links.link(found)
        other(#","absorbs":"c"#, link.absorbs, &out)
        other(#","replaces":"c"#, link.replaces, &out)
    }

    private mutating func writeContainer(
        _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        let id = applied.container
        switch event.kind {
        case .containerOpen(let key):
            open(.container, #"{"type":"container","action":"open","t":"#, event, &out)
            container(id, &out)
            if let id { other(#","replaces":"c"#, links.open(id, key), &out) }
            close(&out)
        case .containerClose:
            open(.container, #"{"type":"container","action":"close","t":"#, event, &out)
            container(id, &out)
            close(&out)
        case .iommuOpen(let iommu, _, let key):
            if let key {
                if applied.newContainer, let id {
                    infer(id, nil, event, graph, &out)
                    _ = links.open(id, key)
                }
            } else if let old = links.reopen(iommu) {
                open(.container, #"{"type":"container","action":"release","t":"#, event, &out)
                container(old, &out)
                out.append(#","provenance":"inferred""#)
                close(&out)
            }
            if applied.linked { setIOMMU(id, event, graph, &out) }
        case .iommuRelease(let iommu):
            links.release(iommu)
            open(.container, #"{"type":"container","action":"release","t":"#, event, &out)
            container(id, &out)
            close(&out)
        case .iommuAttach(_, let group, let status):
            if applied.linked { setIOMMU(id, event, graph, &out) }
            guard status != 0 else { break }
            open(.group, #"{"type":"group","action":"attach","t":"#, event, &out)
            self.group(group, &out)
            container(id, &out)
            result(status, &out)
            close(&out)
        case .groupOpen(let number):
            open(.group, #"{"type":"group","action":"open","t":"#, event, &out)
            group(number, &out)
            close(&out)
        case .groupClose(let number):
            open(.group, #"{"type":"group","action":"close","t":"#, event, &out)
            group(number, &out)
            close(&out)
        case .groupAttach(let number, let key):
            if applied.newContainer, let id {
                infer(id, nil, event, graph, &out)
                _ = links.open(id, key)
            }
            open(.group, #"{"type":"group","action":"attach","t":"#, event, &out)
            group(number, &out)
            container(id, &out)
            if applied.linked {
                out.append(#","linked":true"#)
                link(id, graph, &out)
            }
            close(&out)
        case .groupDetach(let number, _):
            open(.group, #"{"type":"group","action":"detach","t":"#, event, &out)
            group(number, &out)
            container(id, &out)
            close(&out)
        default: return
        }
        if let id, let found = graph.container(id) { links.retire(found) }
    }

    private mutating func setIOMMU(
        _ id: ContainerID?, _ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        open(.container, #"{"type":"container","action":"set-iommu","t":"#, event, &out)
        container(id, &out)
        if case .iommuAttach(_, let number, _) = event.kind, id.flatMap({ graph.container($0)?.iommuType }) ?? 0 == 0 {
            group(number, &out)
        }
        link(id, graph, &out)
        close(&out)
    }

    func group(_ number: UInt32, _ out: inout ByteWriter) {
        out.append(#","group":"#)
        out.append(number)
    }
}
