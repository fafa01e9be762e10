import Events
import MappingGraph

extension JSONLines {
    mutating func writeDevice(_ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        switch event.kind {
        case .deviceOpen(let use):
            open(.device, #"{"type":"device","action":"open","t":"#, event, &out)
            write(use, &out)
        case .deviceClose(let use):
            open(.device, #"{"type":"device","action":"close","t":"#, event, &out)
            write(use, &out)
        case .deviceFirstOpen(let use):
            open(.device, #"{"type":"device","action":"first-open","t":"#, event, &out)
            write(use, &out)
        case .deviceLastClose(let use):
            open(.device, #"{"type":"device","action":"last-close","t":"#, event, &out)
            write(use, &out)
        case .barMmap(let mmap):
            open(.device, #"{"type":"device","action":"mmap","t":"#, event, &out)
            write(mmap, graph, &out)
        case .keptBar(let kept):
            open(
                .device,
                kept.isKept
                    ? #"{"type":"device","action":"kept-bar","t":"# : #"{"type":"device","action":"let-go","t":"#,
                event, &out)
            device(kept.device, &out)
            bar(at: kept.address, of: kept.device, graph, &out)
            out.append(#","size":"#)
            out.append(kept.size)
        case .deviceInfo(let info):
            open(.device, #"{"type":"device","action":"add","t":"#, event, &out)
            device(info.device, &out)
            deviceFields(info, &out)
        case .driverBind(let info):
            open(.device, #"{"type":"device","action":"bind","t":"#, event, &out)
            device(info.device, &out)
            deviceFields(info, &out)
        case .driverUnbind(let info):
            open(.device, #"{"type":"device","action":"unbind","t":"#, event, &out)
            device(info.device, &out)
            deviceFields(info, &out)
        case .deviceRemove(let address):
            open(.device, #"{"type":"device","action":"remove","t":"#, event, &out)
            device(address, &out)
        case .barsAssigned(let info):
            open(.device, #"{"type":"device","action":"assign","t":"#, event, &out)
            device(info.device, &out)
            deviceFields(info, &out)
        case .dmaBuf(let buffer): write(buffer, event, applied, graph, &out)
        default: return
        }
        close(&out)
    }

    func device(_ address: PCIAddress?, _ out: inout ByteWriter) {
        guard let address else { return out.append(#","device":null"#) }
        out.append(#","device":""#)
        out.append(address)
        out.append(byte: 0x22)
    }

    private func write(_ use: DeviceUse, _ out: inout ByteWriter) {
        device(use.device, &out)
        if let group = use.group {
            out.append(#","group":"#)
            out.append(group)
        }
        if let openCount = use.openCount {
            out.append(#","open_count":"#)
            out.append(openCount)
        }
        if let enabled = use.memoryEnabled {
            out.append(enabled ? #","memory_enabled":true"# : #","memory_enabled":false"#)
        }
    }

    private func write(_ mmap: BarMmap, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        device(mmap.device, &out)
        bar(at: mmap.address, of: mmap.device, graph, &out)
        out.append(#","size":"#)
        out.append(mmap.size)
        guard showVaddr else { return }
        out.append(#","vaddr":""#)
        out.append(hex: mmap.vaddr)
        out.append(byte: 0x22)
    }

    /// Where in the device's BARs a physical address lies, if it does.
    func bar(at address: UInt64, of device: PCIAddress?, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        guard address != 0, let target = graph.resolve(address: address, size: 1).first, target.device == device else {
            return
        }
        out.append(#","bar":"#)
        out.append(UInt64(target.bar))
        out.append(#","bar_offset":"#)
        out.append(target.barOffset)
    }

    /// What a device is, behind its address: for `device` lines and for the header.
    func deviceFields(_ info: DeviceInfo, _ out: inout ByteWriter) {
        if let group = info.group {
            out.append(#","group":"#)
            out.append(group)
        }
        out.append(#","vendor":""#)
        out.append(hex: UInt64(info.vendorID), digits: 4, prefixed: true)
        out.append(#"","device_id":""#)
        out.append(hex: UInt64(info.deviceID), digits: 4, prefixed: true)
        out.append(#"","class":""#)
        out.append(
            hex: UInt64(info.classCode), digits: max(6, (67 - UInt64(info.classCode).leadingZeroBitCount) / 4),
            prefixed: true)
        out.append(#"","driver":"#)
        if info.driver.isEmpty { out.append("null") } else { out.append(json: info.driver) }
        out.append(#","bars":["#)
        var first = true
        for index in 0..<7 where info.bars[index].size > 0 {
            out.append(first ? #"{"bar":"# : #",{"bar":"#)
            first = false
            out.append(UInt64(index))
            out.append(#","address":""#)
            out.append(hex: info.bars[index].address)
            out.append(#"","size":"#)
            out.append(info.bars[index].size)
            out.append(byte: 0x7d)
        }
        out.append(byte: 0x5d)
        guard let msix = info.msix else { return }
        out.append(#","msix_bar":"#)
        out.append(UInt64(msix.bar))
        out.append(#","msix_offset":"#)
        out.append(msix.offset)
        out.append(#","msix_size":"#)
        out.append(msix.size)
    }

    // MARK: What happens to a device's memory

    mutating func writeMemory(_ event: Event, _ out: inout ByteWriter) {
        switch event.kind {
        case .memoryDecode(let address, let enabled, let origin):
            open(
                .memory,
                enabled ? #"{"type":"memory","action":"enable","t":"# : #"{"type":"memory","action":"disable","t":"#,
                event, &out)
            device(address, &out)
            by(origin, &out)
        case .reset(let address, let phase, let wholeBus):
            open(
                .memory,
                phase == .begin
                    ? #"{"type":"memory","action":"reset-begin","t":"# : #"{"type":"memory","action":"reset-end","t":"#,
                event, &out)
            device(address, &out)
            out.append(wholeBus ? #","whole_bus":true"# : #","whole_bus":false"#)
        case .power(let address, let state, let origin):
            open(.memory, #"{"type":"memory","action":"power","t":"#, event, &out)
            device(address, &out)
            out.append(#","state":""#)
            out.append(state.timelineName)
            out.append(byte: 0x22)
            by(origin, &out)
        default: return
        }
        close(&out)
    }

    private func by(_ origin: Origin, _ out: inout ByteWriter) {
        out.append(#","by":""#)
        out.append(origin.timelineName)
        out.append(byte: 0x22)
    }

    // MARK: Processes and gaps

    mutating func writeOther(_ event: Event, _ out: inout ByteWriter) {
        switch event.kind {
        case .processInfo(let info):
            open(.process, #"{"type":"process","action":"info","t":"#, event, &out)
            out.append(facts: info)
        case .processExit: open(.process, #"{"type":"process","action":"exit","t":"#, event, &out)
        case .processExec: open(.process, #"{"type":"process","action":"exec","t":"#, event, &out)
        case .loss(let since, let lost):
            open(.gap, #"{"type":"gap","action":"lost","t":"#, event, &out)
            out.append(#","lost":"#)
            out.append(lost)
            out.append(#","since":"#)
            out.append(since)
            out.append(#","until":"#)
            out.append(event.time)
        default: return
        }
        close(&out)
    }
}
