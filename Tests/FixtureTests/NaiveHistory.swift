// SPDX-License-Identifier: Apache-2.0
import Events

/// The graph of one complete history as dictionaries, by the simplest code that can be right. It
/// ignores snapshots: where nothing was lost, their content is already known.
struct NaiveHistory {
    struct Unit {
        var hasDescriptor = true
        var groups: Set<UInt32> = []
        var iommu: IOMMUKey?
        var isAlive: Bool { hasDescriptor || !groups.isEmpty || iommu != nil }
    }

    private var units: [ContainerKey: Unit] = [:]
    private var rows: [IOMMUKey: [UInt64: Account.Row]] = [:]
    private var containerOfGroup: [UInt32: ContainerKey] = [:]
    /// A group that is added after SET_IOMMU joins the IOMMU side first.
    private var iommuOfGroup: [UInt32: IOMMUKey] = [:]
    private var pending: [UInt32: [Extent]] = [:]
    private var bars: [(first: UInt64, last: UInt64, device: String, bar: UInt8)] = []
    private var open: Set<String> = []

    mutating func apply(_ event: Event) {
        switch event.kind {
        case .deviceInfo(let info):
            for bar in 0..<7 where info.bars[bar].size > 0 {
                bars.append((info.bars[bar].address, info.bars[bar].last, info.device.description, UInt8(bar)))
            }
        case .containerOpen(let key): units[key] = Unit()
        case .containerClose(let key):
            units[key]?.hasDescriptor = false
            retire(key)
        case .groupAttach(let group, let key):
            containerOfGroup[group] = key
            units[key]?.groups.insert(group)
            if let iommu = iommuOfGroup.removeValue(forKey: group) { units[key]?.iommu = iommu }
        case .groupDetach(let group, let key):
            containerOfGroup[group] = nil
            units[key]?.groups.remove(group)
            retire(key)
        case .iommuAttach(let iommu, let group, let result):
            guard result == 0 else { return }
            if let key = containerOfGroup[group] { units[key]?.iommu = iommu } else { iommuOfGroup[group] = iommu }
        case .iommuRelease(let iommu):
            rows[iommu] = nil
            for (key, unit) in units where unit.iommu == iommu {
                units[key]!.iommu = nil
                retire(key)
            }
        case .extent(let extent): pending[event.actor.tid, default: []].append(extent)
        case .map(let map):
            let extents = pending.removeValue(forKey: event.actor.tid) ?? []
            guard map.result == 0, map.provenance == .observed else { return }
            rows[map.iommu, default: [:]][map.iova] = Account.Row(
                iova: map.iova, size: map.size, isReadable: map.readable, isWritable: map.writable,
                pid: event.actor.process.pid, places: places(extents))
        case .mappingRemoved(let removal): if removal.cause != .failedMap { rows[removal.iommu]?[removal.iova] = nil }
        case .deviceFirstOpen(let use): open.insert(use.device!.description)
        case .deviceLastClose(let use): open.remove(use.device!.description)
        // The container may be just being opened: then the snapshot can precede the event.
        case .snapshotDevice(let found) where found.openCount > 0:
            if let device = found.device { open.insert(device.description) }
        default: break
        }
    }

    var account: Account {
        var account = Account(open: open)
        for unit in units.values {
            account.add(unit.groups, unit.iommu.flatMap { rows[$0]?.values }.map(Array.init) ?? [])
        }
        return account
    }

    private mutating func retire(_ key: ContainerKey) { if units[key]?.isAlive == false { units[key] = nil } }

    /// Page by page, as simply as possible.
    private func places(_ extents: [Extent]) -> [Account.Place] {
        var places: [Account.Place] = []
        for extent in extents {
            for offset in stride(from: 0, to: extent.size, by: 4096) {
                let address = extent.address + offset
                let bar = bars.first { $0.first <= address && address <= $0.last }
                places.extend(
                    Account.Place(
                        device: bar?.device ?? "", bar: bar?.bar ?? 0, offset: address - (bar?.first ?? 0),
                        iova: extent.iova + offset,
                        size: 4096))
            }
        }
        return places
    }
}
