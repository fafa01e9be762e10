// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// `device` lines, and what a device is, which the header has too.
extension JSONLines {
    mutating func writeDevice(
        _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        switch event.kind {
        case .deviceOpen(let use): write(.open, use, event, &out)
        case .deviceClose(let use): write(.close, use, event, &out)
        case .deviceFirstOpen(let use): write(.firstOpen, use, event, &out)
        case .deviceLastClose(let use): write(.lastClose, use, event, &out)
        case .barMmap(let mmap):
            open(.device, .mmap, event, &out)
            out.member(.device, mmap.device)
            bar(at: mmap.address, of: mmap.device, graph, &out)
            out.member(.size, mmap.size)
            if showVaddr { out.member(.vaddr, hex: mmap.vaddr) }
        case .keptBar(let kept):
            open(.device, kept.isKept ? .keptBar : .letGo, event, &out)
            out.member(.device, kept.device)
            bar(at: kept.address, of: kept.device, graph, &out)
            out.member(.size, kept.size)
        case .deviceInfo(let info): write(.add, info, event, &out)
        case .driverBind(let info): write(.bind, info, event, &out)
        case .driverUnbind(let info): write(.unbind, info, event, &out)
        case .barsAssigned(let info): write(.assign, info, event, &out)
        case .deviceRemove(let address):
            open(.device, .remove, event, &out)
            out.member(.device, address)
        case .dmaBuf(let buffer): write(buffer, event, applied, graph, &out)
        default: return
        }
        close(&out)
    }

    private mutating func write(_ action: TimelineWord, _ use: DeviceUse, _ event: Event, _ out: inout ByteWriter) {
        open(.device, action, event, &out)
        out.member(.device, orNull: use.device)
        out.member(.group, use.group)
        out.member(.openCount, use.openCount)
        if use.usesIOMMUFD { out.member(.iommufd, true) }
        out.member(.memoryEnabled, use.memoryEnabled)
    }

    private mutating func write(_ action: TimelineWord, _ info: DeviceInfo, _ event: Event, _ out: inout ByteWriter) {
        open(.device, action, event, &out)
        device(info, &out)
    }

    /// Where in the device's BARs a physical address lies, if it does.
    func bar(at address: UInt64, of device: PCIAddress?, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        guard address != 0, let target = graph.resolve(address: address, size: 1).first, target.device == device else {
            return
        }
        out.member(.bar, target.bar)
        out.member(.barOffset, target.barOffset)
    }

    /// What a device is, its address first.
    func device(_ info: DeviceInfo, _ out: inout ByteWriter) {
        out.member(.device, info.device)
        out.member(.group, info.group)
        out.member(.vendor, hex: UInt64(info.vendorID), digits: 4)
        out.member(.deviceID, hex: UInt64(info.deviceID), digits: 4)
        out.member(.classCode, hex: UInt64(info.classCode), digits: 6)
        out.member(.driver, orNull: info.driver.isEmpty ? nil : info.driver)
        out.list(.bars, (0..<7).filter { info.bars[$0].size > 0 }) { index, out in
            out.object { out in
                out.member(.bar, index)
                out.member(.address, hex: info.bars[index].address)
                out.member(.size, info.bars[index].size)
            }
        }
        guard let msix = info.msix else { return }
        out.member(.msixBar, msix.bar)
        out.member(.msixOffset, msix.offset)
        out.member(.msixSize, msix.size)
    }
}
