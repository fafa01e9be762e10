// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Lines about devices, and about what happens to their memory.
extension TextLines {
    func writeDevice(_ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        switch event.kind {
        case .deviceOpen(let use): write("device open", use, event, graph, &out)
        case .deviceClose(let use): write("device close", use, event, graph, &out)
        case .deviceFirstOpen(let use): write("first open", use, event, graph, &out)
        case .deviceLastClose(let use): write("last close", use, event, graph, &out)
        case .barMmap(let mmap):
            begin("bar mmap", event, graph, &out)
            out.append(mmap.device)
            bar(at: mmap.address, of: mmap.device, graph, &out)
            out.append("  \(size: mmap.size)")
            end(&out)
        case .keptBar(let kept):
            begin(kept.isKept ? "BAR kept" : "BAR let go", event, graph, &out, kept.isKept ? .warning : .uncoloured)
            out.append(kept.device)
            bar(at: kept.address, of: kept.device, graph, &out)
            out.append("  \(size: kept.size)")
            end(&out)
        case .driverBind(let info): write("bind", info, event, graph, &out)
        case .driverUnbind(let info): write("unbind", info, event, graph, &out)
        case .barsAssigned(let info): line("bars assigned", event, graph, &out, "\(info.device)")
        case .deviceRemove(let device): line("removed", event, graph, &out, "\(device)", .warning)
        default: return
        }
    }

    private func write(
        _ verb: StaticString, _ use: DeviceUse, _ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        begin(verb, event, graph, &out)
        if let device = use.device { out.append(device) } else { out.append("a device not on PCI") }
        if let group = use.group { out.append("  group \(group)") }
        if let open = use.openCount { out.append("  open \(open)") }
        if use.usesIOMMUFD { out.append("  through iommufd, which is not traced") }
        end(&out)
    }

    private func write(
        _ verb: StaticString, _ info: DeviceInfo, _ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        let driver: OutputText = info.driver.isEmpty ? "no driver" : "\(text: info.driver)"
        line(verb, event, graph, &out, "\(info.device)  \(driver)")
    }

    /// ` BAR0+0x1000`: where in the device's BARs a physical address lies, if it does.
    func bar(at address: UInt64, of device: PCIAddress?, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        guard let target = graph.resolve(address: address, size: 1).first, target.device == device else { return }
        out.append(" \(bar: target.bar, offset: target.barOffset)")
    }

    // MARK: What happens to a device's memory

    mutating func writeMemory(_ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        switch event.kind {
        case .memoryDecode(let device, let enabled, let origin):
            guard changed(device, \.memory, enabled) else { return }
            line(enabled ? "memory on" : "memory off", event, graph, &out, "\(device)\(by(origin))")
        case .power(let device, let state, let origin):
            guard changed(device, \.power, state) else { return }
            line("power", event, graph, &out, "\(device)  \(state.word)\(by(origin))")
        case .reset(let device, let phase, let wholeBus):
            // One reset passes through several functions: only the outermost is shown.
            let depth = graph.device(device)?.resetDepth ?? 0
            guard phase == .begin ? depth <= 1 : depth == 0 else { return }
            line(
                phase == .begin ? "reset" : "reset done", event, graph, &out,
                "\(device)\(wholeBus ? "  whole bus" : "")")
        default: return
        }
    }

    private func by(_ origin: Origin) -> StaticString { origin == .host ? "  by the host" : "" }

    /// Whether a device's state differs from the one shown last; a first state counts unless it is
    /// the usual one.
    private mutating func changed<Value: Equatable>(
        _ device: PCIAddress, _ field: WritableKeyPath<ShownState, Value>, _ value: Value
    ) -> Bool {
        let before = shown[device, default: ShownState()]
        shown[device, default: ShownState()][keyPath: field] = value
        return before[keyPath: field] != value
    }
}
