import Events
import MappingGraph

/// A snapshot in one line, and one more for each container of which mappings turn out to be gone.
extension TextLines {
    mutating func writeSnapshot(_ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        switch event.kind {
        case .snapshotBegin: found = Found()
        case .snapshotContainer(let key, _, _): found.containers.insert(key)
        case .snapshotGroup(let number, _): found.groups.insert(number)
        case .snapshotDevice(let device) where device.openCount > 0:
            if let address = device.device { found.openDevices.insert(address) } else { found.otherDevices &+= 1 }
        case .walkEnd: writeGone(event, graph, &out)
        case .snapshotEnd:
            writeGone(event, graph, &out)
            let found = self.found
            line("snapshot", nobodys(event), graph, &out) { out in
                count(UInt64(found.containers.count), "container", "containers", &out)
                out.append(", ")
                count(UInt64(found.groups.count), "group", "groups", &out)
                out.append(", ")
                count(UInt64(found.openDevices.count) &+ found.otherDevices, "device open", "devices open", &out)
                out.append(", ")
                count(found.mappings, "mapping", "mappings", &out)
                guard let result = graph.lastSnapshot, result.ended == event.time, result.differences > 0 else {
                    return
                }
                out.append("; of what was known ")
                count(UInt64(result.differences), "thing was", "things were", &out)
                out.append(" otherwise")
            }
        default: return
        }
    }

    private mutating func writeGone(_ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        let gone = self.gone
        guard gone.count > 0 else { return }
        self.gone = (nil, 0)
        line("resync", nobodys(event), graph, &out, .warning) { out in
            container(gone.container, &out)
            count(gone.count, "mapping was gone: its", "mappings were gone: their", &out)
            out.append(" removal was not seen")
        }
    }

    /// The tool looked; the record's own actor is the tool.
    private func nobodys(_ event: Event) -> Event { Event(time: event.time, kind: event.kind) }

    private func count(_ number: UInt64, _ one: StaticString, _ many: StaticString, _ out: inout ByteWriter) {
        out.append(grouped: number)
        out.append(byte: 0x20)
        out.append(number == 1 ? one : many)
    }
}
