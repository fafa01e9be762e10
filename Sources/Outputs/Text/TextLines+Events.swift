// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// From an event to its line, and the columns of a line.
extension TextLines {
    /// Widths of the columns.
    private static let nameWidth = 16
    private static let pidWidth = 7
    private static let verbWidth = 15
    private static let containerWidth = 5

    public mutating func event(
        _ event: Event, applied: borrowing Applied, graph: borrowing Graph, into out: inout ByteWriter
    ) {
        if !applied.missing.isEmpty { gone = (applied.container, gone.count &+ UInt64(applied.missing.count)) }
        switch event.kind {
        case .extent, .deviceInfo, .processInfo: return
        case .processExit:
            removed[event.actor.tid] = nil
            line("exit", event, graph, &out, "")
        case .processExec: line("exec", event, graph, &out, "")
        case .map(let map): write(map, event, applied, graph, &out)
        case .mappingRemoved(let removal): write(removal, event, applied, graph, &out)
        case .unmapRequest(let request): write(request, event, applied, graph, &out)
        case .loss(let since, let lost):
            let records: StaticString = lost == 1 ? "record" : "records"
            line(
                "LOST", event, graph, &out,
                "\(lost) \(records) since \(timeOfDay: unix(since)): what happened in between is not known", .alarm)
        case .memoryDecode, .reset, .power: writeMemory(event, graph, &out)
        case .dmaBuf(let buffer): write(buffer, event, applied, graph, &out)
        case .deviceOpen, .deviceClose, .deviceFirstOpen, .deviceLastClose, .barMmap, .keptBar, .driverBind,
            .driverUnbind, .deviceRemove, .barsAssigned:
            writeDevice(event, graph, &out)
        case .snapshotBegin, .snapshotEnd, .snapshotContainer, .snapshotGroup, .snapshotDevice, .snapshotHolder,
            .walkBegin, .walkEnd:
            writeSnapshot(event, graph, &out)
        default: writeContainer(event, applied, graph, &out)
        }
    }

    // MARK: A line and its columns

    /// Writes a whole line: time, who and verb in their columns, then `rest`.
    func line(
        _ verb: StaticString, _ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter,
        _ rest: OutputText, _ tint: Paint = .uncoloured
    ) {
        begin(verb, event, graph, &out, tint)
        out.append(rest)
        end(&out)
    }

    /// Begins a line: time, who and verb in their columns.
    func begin(
        _ verb: StaticString, _ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter,
        _ tint: Paint = .uncoloured
    ) {
        dim(&out) { $0.append(timeOfDay: unix(event.time)) }
        out.append("  ")
        var mark = out.count
        if event.actor != Actor() {
            if let title = graph.processInfo(for: event.actor.process)?.title, !title.isEmpty {
                out.append(text: title)
            } else {
                out.append(text: event.actor.comm)
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
        if tint != .uncoloured { paint(tint, &out) }
        mark = out.count
        out.append(verb)
        out.pad(from: mark, to: Self.verbWidth)
        if tint != .uncoloured { paint(.uncoloured, &out) }
    }

    func end(_ out: inout ByteWriter) {
        out.trimSpaces()
        out.endLine()
    }

    /// A container in its column.
    func column(_ id: ContainerID?, _ out: inout ByteWriter) {
        let mark = out.count
        if let id { out.append(id) } else { out.append("c?") }
        out.pad(from: mark, to: Self.containerWidth - 1)
        out.append(" ")
    }

    /// The name of a negative errno.
    func error(_ result: Int32, _ out: inout ByteWriter) {
        if let name = Errno.name(0 &- result) { out.append(name) } else { out.append(Int64(result)) }
    }
}
