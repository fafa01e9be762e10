// SPDX-License-Identifier: Apache-2.0
import Events

/// The graph's mappings and devices as dictionaries, by the simplest code that can be right.
/// `Graph` is compared with it.
///
/// Container keys and IOMMU keys must be linked one to one. Late starts and races are not modelled.
struct NaiveGraph {
    struct Row: Equatable {
        var size: UInt64
        var pid: UInt32
        var places: [String]
    }

    struct Unit: Equatable {
        var isOpen = false
        var generation: UInt32 = 0
        var decode = true
        var depth = 0
        var power = PowerState.d0
        var opener: UInt32?
    }

    var rows: [IOMMUKey: [UInt64: Row]] = [:]
    var units: [PCIAddress: Unit] = [:]
    var containerOfGroup: [UInt32: ContainerKey] = [:]
    var pending: [UInt32: [Extent]] = [:]
    var bars: [(first: UInt64, last: UInt64, device: PCIAddress)] = []

    mutating func apply(_ event: Event) {
        let pid = event.actor.process.pid
        switch event.kind {
        case .deviceInfo(let info):
            units[info.device] = Unit()
            bars.append((info.bars[0].address, info.bars[0].last, info.device))
        case .extent(let extent): pending[event.actor.tid, default: []].append(extent)
        case .map(let map):
            let extents = pending.removeValue(forKey: event.actor.tid) ?? []
            guard map.result == 0 else { return }
            // Page by page, as simply as possible.
            let places = extents.flatMap { extent in
                stride(from: 0, to: extent.size, by: 4096).map { offset in
                    place(extent.address + offset) + " at \(extent.iova + offset)"
                }
            }
            rows[map.iommu, default: [:]][map.iova] = Row(size: map.size, pid: pid, places: places)
        case .mappingRemoved(let removal): if removal.cause != .failedMap { rows[removal.iommu]?[removal.iova] = nil }
        case .iommuRelease(let iommu): rows[iommu] = [:]
        case .groupAttach(let group, let key): containerOfGroup[group] = key
        case .groupDetach(let group, _): containerOfGroup[group] = nil
        case .deviceFirstOpen(let use):
            units[use.device!] = Unit(isOpen: true, generation: units[use.device!]!.generation + 1, opener: pid)
        case .deviceLastClose(let use):
            units[use.device!]!.isOpen = false
            units[use.device!]!.decode = true
        case .memoryDecode(let device, let enabled, _): units[device]!.decode = enabled
        case .power(let device, let state, _): if state != .unknown { units[device]!.power = state }
        case .reset(let device, let phase, let wholeBus):
            for key in units.keys where key == device || (wholeBus && key.bus == device.bus) {
                units[key]!.depth = phase == .begin ? units[key]!.depth + 1 : max(0, units[key]!.depth - 1)
            }
        default: break
        }
    }

    private func place(_ address: UInt64) -> String {
        guard let bar = bars.first(where: { $0.first <= address && address <= $0.last }) else { return "nowhere" }
        return "\(bar.device)+\(address - bar.first)"
    }
}
