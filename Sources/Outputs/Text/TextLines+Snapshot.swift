// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// A snapshot in one line, and one more for each container whose mappings turn out to be gone.
extension TextLines {
    mutating func writeSnapshot(_ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        switch event.kind {
        case .snapshotBegin: found = SnapshotContents()
        case .snapshotContainer(let key, _, _): found.containers.insert(key)
        case .snapshotGroup(let number, _): found.groups.insert(number)
        case .snapshotDevice(let device) where device.openCount > 0:
            if let address = device.device { found.openDevices.insert(address) } else { found.otherDevices &+= 1 }
        case .walkEnd: writeGone(event, graph, &out)
        case .snapshotEnd:
            writeGone(event, graph, &out)
            let devices = UInt64(found.openDevices.count) &+ found.otherDevices
            begin("snapshot", unattributed(event), graph, &out)
            out.append("\(count(UInt64(found.containers.count), "container", "containers")), ")
            out.append("\(count(UInt64(found.groups.count), "group", "groups")), ")
            out.append("\(count(devices, "device open", "devices open")), ")
            out.append("\(count(found.mappings, "mapping", "mappings"))")
            if let result = graph.lastSnapshot, result.ended == event.time, result.differences > 0 {
                let things = count(UInt64(result.differences), "thing was", "things were")
                out.append("; of what was known \(things) otherwise")
            }
            end(&out)
        default: return
        }
    }

    private mutating func writeGone(_ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter) {
        let gone = self.gone
        guard gone.count > 0 else { return }
        self.gone = (nil, 0)
        begin("resync", unattributed(event), graph, &out, .warning)
        column(gone.container, &out)
        let mappings = count(gone.count, "mapping was gone: its", "mappings were gone: their")
        out.append("\(mappings) removal was not seen")
        end(&out)
    }

    /// The event without its actor, which is this tool: it read from the kernel, and changed
    /// nothing.
    private func unattributed(_ event: Event) -> Event { Event(time: event.time, kind: event.kind) }

    private func count(_ number: UInt64, _ one: StaticString, _ many: StaticString) -> OutputText {
        "\(grouped: number) \(number == 1 ? one : many)"
    }
}
