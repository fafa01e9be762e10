// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Chooses the lines of each event, and writes those of containers and groups.
extension JSONLines {
    public mutating func event(
        _ event: Event, applied: borrowing Applied, graph: borrowing Graph, into out: inout ByteWriter
    ) {
        switch event.kind {
        case .map(let map):
            if applied.newContainer { infer(applied.container, map.iommu, event, graph, &out) }
            // A raced map's container may be gone by now: the line has its old name, as the line of
            // the map's removal has.
            let id = applied.container ?? (applied.raced ? links.lastContainer(of: map.iommu) : nil)
            // A snapshot repeats the mappings that are known; those it does not repeat are gone.
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

    /// The line of a container that no event has named; its type is on it where an earlier event
    /// had it.
    private mutating func infer(
        _ id: ContainerID?, _ iommu: IOMMUKey?, _ event: Event, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        guard let id else { return }
        open(.container, .open, event, &out)
        out.member(.container, id)
        out.member(.provenance, Provenance.inferred.word)
        if let iommu {
            links.infer(id, from: iommu)
            iommuType(id, graph, &out)
        }
        close(&out)
    }

    private func iommuType(_ id: ContainerID, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        guard let type = graph.container(id)?.iommuType, type != 0 else { return }
        out.member(.iommuType, type)
    }

    /// The other container of a link, if there is one: see docs/timeline.md, "After a loss".
    private mutating func link(_ id: ContainerID?, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        guard let id, let found = graph.container(id) else { return }
        iommuType(id, graph, &out)
        let link = links.link(found)
        out.member(.absorbs, link.absorbs)
        out.member(.replaces, link.replaces)
    }

    private mutating func writeContainer(
        _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        let id = applied.container
        switch event.kind {
        case .containerOpen(let key):
            open(.container, .open, event, &out)
            out.member(.container, id)
            if let id { out.member(.replaces, links.open(id, key)) }
            close(&out)
        case .containerClose:
            open(.container, .close, event, &out)
            out.member(.container, id)
            close(&out)
        case .iommuOpen(let iommu, _, let key):
            if let key {
                if applied.newContainer, let id {
                    infer(id, nil, event, graph, &out)
                    _ = links.open(id, key)
                }
            } else if let old = links.reopen(iommu) {
                open(.container, .release, event, &out)
                out.member(.container, old)
                out.member(.provenance, Provenance.inferred.word)
                close(&out)
            }
            if applied.linked { setIOMMU(id, event, graph, &out) }
        case .iommuRelease(let iommu):
            links.release(iommu)
            open(.container, .release, event, &out)
            out.member(.container, id)
            close(&out)
        case .iommuAttach(_, let group, let status):
            if applied.linked { setIOMMU(id, event, graph, &out) }
            guard status != 0 else { break }
            open(.group, .attach, event, &out)
            out.member(.group, group)
            out.member(.container, id)
            result(status, &out)
            close(&out)
        case .groupOpen(let number):
            open(.group, .open, event, &out)
            out.member(.group, number)
            close(&out)
        case .groupClose(let number):
            open(.group, .close, event, &out)
            out.member(.group, number)
            close(&out)
        case .groupAttach(let number, let key):
            if applied.newContainer, let id {
                infer(id, nil, event, graph, &out)
                _ = links.open(id, key)
            }
            open(.group, .attach, event, &out)
            out.member(.group, number)
            out.member(.container, id)
            if applied.linked {
                out.member(.linked, true)
                link(id, graph, &out)
            }
            close(&out)
        case .groupDetach(let number, _):
            open(.group, .detach, event, &out)
            out.member(.group, number)
            out.member(.container, id)
            close(&out)
        default: return
        }
        if let id, let found = graph.container(id) { links.retire(found) }
    }

    private mutating func setIOMMU(
        _ id: ContainerID?, _ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        open(.container, .setIOMMU, event, &out)
        out.member(.container, id)
        if case .iommuAttach(_, let number, _) = event.kind, id.flatMap({ graph.container($0)?.iommuType }) ?? 0 == 0 {
            out.member(.group, number)
        }
        link(id, graph, &out)
        close(&out)
    }
}
