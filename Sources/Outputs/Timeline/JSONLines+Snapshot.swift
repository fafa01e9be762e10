// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// What a snapshot finds. The tool read it from the kernel, so only what processes hold, and
/// mappings, have an actor.
extension JSONLines {
    mutating func writeSnapshot(
        _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        switch event.kind {
        case .snapshotBegin: openUnattributed(.gap, .snapshotBegin, event, &out)
        case .snapshotEnd:
            links.settle(graph)
            openUnattributed(.gap, .snapshotEnd, event, &out)
            if let result = graph.lastSnapshot, result.ended == event.time { write(result, &out) }
        case .snapshotContainer(let key, let iommu, let type):
            openUnattributed(.container, .present, event, &out)
            out.member(.container, applied.container)
            if let id = applied.container { link(id, key, iommu, type: type, graph, &out) }
            out.member(.provenance, Provenance.snapshot.word)
        case .snapshotGroup(let number, let key):
            if let id = applied.container, let key { _ = links.open(id, key) }
            openUnattributed(.group, .present, event, &out)
            out.member(.group, number)
            if key == nil {
                out.member(.container, orNull: nil as ContainerID?)
            } else {
                out.member(.container, applied.container)
            }
        case .snapshotDevice(let found):
            openUnattributed(.device, .present, event, &out)
            out.member(.device, orNull: found.device)
            out.member(.group, found.group)
            out.member(.openCount, found.openCount)
            out.member(.memory, found.memoryEnabled)
            out.member(.power, found.power.word)
            if found.usesIOMMUFD { out.member(.iommufd, true) }
        case .snapshotHolder(let held, let byMapping): write(held, byMapping: byMapping, event, applied, &out)
        case .walkBegin:
            openUnattributed(.container, .walkBegin, event, &out)
            out.member(.container, applied.container)
        case .walkEnd(_, let mappings, let consistent):
            openUnattributed(.container, .walkEnd, event, &out)
            out.member(.container, applied.container)
            out.member(.mappings, mappings)
            if !consistent { out.member(.unsettled, true) }
        default: return
        }
        close(&out)
    }

    /// How the kernel's state differed from what the lines before tell.
    private func write(_ result: SnapshotResult, _ out: inout ByteWriter) {
        out.member(.mappings, result.mappings)
        out.member(.added, result.added)
        out.member(.removed, result.removed)
        out.member(.changed, result.changed)
        out.member(.unsettled, result.unsettled)
        out.member(.first, result.isFirst)
        out.member(.afterLoss, result.isAfterLoss)
    }

    /// `iommu_type` where there is an IOMMU side, and what a reader needs to know of it if the
    /// lines so far tell of another one.
    private mutating func link(
        _ id: ContainerID, _ key: ContainerKey, _ iommu: IOMMUKey?, type: UInt32, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        _ = links.open(id, key)
        guard let iommu else { return }
        out.member(.iommuType, type)
        guard !links.isLinked(id, to: iommu), let found = graph.container(id) else { return }
        out.member(.linked, true)
        out.member(.replaces, links.link(found).replaces)
    }

    private mutating func write(
        _ held: Held, byMapping: Bool, _ event: Event, _ applied: borrowing Applied, _ out: inout ByteWriter
    ) {
        switch held {
        case .container:
            open(.container, .held, event, &out)
            out.member(.container, applied.container)
        case .group(let number):
            open(.group, .held, event, &out)
            out.member(.group, number)
        case .device(let address):
            open(.device, .held, event, &out)
            out.member(.device, orNull: address.isOnPCI ? address : nil)
        }
        out.member(.byMapping, byMapping)
    }
}

extension PCIAddress {
    /// False for the address that stands for a device of another bus, as a snapshot's holders have
    /// it.
    var isOnPCI: Bool { packed != .max }
}
