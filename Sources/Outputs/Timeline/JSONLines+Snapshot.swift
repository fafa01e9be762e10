import Events
import MappingGraph

/// What a snapshot finds. But for holders and mappings, nobody did it: the tool looked.
extension JSONLines {
    mutating func writeSnapshot(_ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        switch event.kind {
        case .snapshotBegin: openUnattributed(.gap, #"{"type":"gap","action":"snapshot-begin","t":"#, event, &out)
        case .snapshotEnd:
            links.settle(graph)
            openUnattributed(.gap, #"{"type":"gap","action":"snapshot-end","t":"#, event, &out)
            if let result = graph.lastSnapshot, result.ended == event.time { write(result, &out) }
        case .snapshotContainer(let key, let iommu, let type):
            openUnattributed(.container, #"{"type":"container","action":"present","t":"#, event, &out)
            container(applied.container, &out)
            if let id = applied.container { link(id, key, iommu, type: type, graph, &out) }
            out.append(#","provenance":"snapshot""#)
        case .snapshotGroup(let number, let key):
            if let id = applied.container, let key { _ = links.open(id, key) }
            openUnattributed(.group, #"{"type":"group","action":"present","t":"#, event, &out)
            group(number, &out)
            if key == nil { out.append(#","container":null"#) } else { container(applied.container, &out) }
        case .snapshotDevice(let found):
            openUnattributed(.device, #"{"type":"device","action":"present","t":"#, event, &out)
            device(found.device, &out)
            if let number = found.group { group(number, &out) }
            out.append(#","open_count":"#)
            out.append(found.openCount)
            if let enabled = found.memoryEnabled { out.append(enabled ? #","memory":true"# : #","memory":false"#) }
            out.append(#","power":""#)
            out.append(found.power.timelineName)
            out.append(byte: 0x22)
        case .snapshotHolder(let held, let byMapping): write(held, byMapping: byMapping, event, applied, &out)
        case .walkBegin:
            openUnattributed(.container, #"{"type":"container","action":"walk-begin","t":"#, event, &out)
            container(applied.container, &out)
        case .walkEnd(_, let mappings, let consistent):
            openUnattributed(.container, #"{"type":"container","action":"walk-end","t":"#, event, &out)
            container(applied.container, &out)
            out.append(#","mappings":"#)
            out.append(mappings)
            if !consistent { out.append(#","unsettled":true"#) }
        default: return
        }
        close(&out)
    }

    /// What it cost: how the kernel's state differed from what the lines before say.
    private func write(_ result: SnapshotResult, _ out: inout ByteWriter) {
        for (key, count) in [
            (#","mappings":"# as StaticString, result.mappings), (#","added":"#, result.added),
            (#","removed":"#, result.removed),
            (#","changed":"#, result.changed), (#","unsettled":"#, result.unsettled),
        ] {
            out.append(key)
            out.append(UInt64(count))
        }
        out.append(result.isFirst ? #","first":true"# : #","first":false"#)
        out.append(result.isAfterLoss ? #","after_loss":true"# : #","after_loss":false"#)
    }

    /// `iommu_type` where there is an IOMMU side, and what a reader needs to know of it if it is
    /// another than the lines so far say.
    private mutating func link(
        _ id: ContainerID, _ key: ContainerKey, _ iommu: IOMMUKey?, type: UInt32, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        _ = links.open(id, key)
        guard let iommu else { return }
        out.append(#","iommu_type":"#)
        out.append(type)
        guard !links.isLinked(id, to: iommu), let found = graph.container(id) else { return }
        out.append(#","linked":true"#)
        other(#","replaces":"c"#, links.link(found).replaces, &out)
    }

    private mutating func write(
        _ held: Held, byMapping: Bool, _ event: Event, _ applied: borrowing Applied, _ out: inout ByteWriter
    ) {
        switch held {
        case .container:
            open(.container, #"{"type":"container","action":"held","t":"#, event, &out)
            container(applied.container, &out)
        case .group(let number):
            open(.group, #"{"type":"group","action":"held","t":"#, event, &out)
            group(number, &out)
        case .device(let address):
            open(.device, #"{"type":"device","action":"held","t":"#, event, &out)
            device(address.isOnPCI ? address : nil, &out)
        }
        out.append(byMapping ? #","by_mapping":true"# : #","by_mapping":false"#)
    }
}

extension PCIAddress {
    /// False for the address that stands for a device of another bus, as a snapshot's holders have
    /// it.
    var isOnPCI: Bool { packed != .max }
}
