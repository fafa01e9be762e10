import Events
import Findings
import MappingGraph

/// The graph at one moment, as a list for people: containers with their groups, devices and
/// mappings, the largest first where it is cut.
public struct Listing: GraphOutput {
    /// RAM mappings shown of a container; those of device memory are shown whatever their number.
    static let shown = 16

    public init(options: OutputOptions = OutputOptions()) {}

    public func write(
        _ graph: borrowing Graph, findings: [Finding], at time: UInt64, session: Session, into out: inout ByteWriter
    ) {
        out.append("Linux ")
        out.append(plain: session.kernel)
        out.append(" at ")
        out.append(time: Int64(truncatingIfNeeded: time) &+ session.clockOffset)
        out.endLine()
        let containers = graph.containers
        if containers.isEmpty {
            out.append("No container is open, and no group is in one.")
            out.endLine()
        }
        // Where everything was read from the kernel at once, saying so of each row says nothing.
        let isOneSnapshot = containers.allSatisfy { container in
            container.provenance == .snapshot
                && graph.mappings(in: container.id).allSatisfy { $0.provenance == .snapshot }
        }
        for container in containers { write(container, graph, findings, at: time, marked: !isOneSnapshot, &out) }
        writeProcesses(graph, at: time, &out)
        out.flush()
    }

    private func write(
        _ container: Container, _ graph: borrowing Graph, _ findings: [Finding], at time: UInt64, marked: Bool,
        _ out: inout ByteWriter
    ) {
        out.endLine()
        out.append("container ")
        out.append(string: container.id.description)
        if let opener = container.opener {
            out.append("  ")
            out.append(plain: graph.displayName(for: opener))
            out.append(" (pid ")
            out.append(opener.process.pid)
            out.append(")")
        } else {
            out.append("  no descriptor is held")
        }
        out.append("  ")
        let capacity = graph.mappingCapacity(of: container.id, at: time)
        out.append(UInt64(capacity.mappings))
        out.append(" of ")
        out.append(UInt64(capacity.limit))
        out.append(" mappings, ")
        out.append(size: graph.mappedBytes(in: container.id))
        exhaustion(capacity.exhaustedIn, &out)
        if container.closed != nil { out.append(", closed but alive") }
        if marked { provenance(container.provenance, &out) }
        for finding in findings where finding.container == container.id && !finding.isOfMapping {
            out.append("  !! ")
            out.append(string: finding.rule)
        }
        out.endLine()
        for number in container.groups.sorted() {
            for device in graph.devices.values.filter({ $0.group == number }).sorted(by: { $0.address < $1.address }) {
                write(device, graph, marked: marked, &out)
            }
        }
        var ram = 0
        for mapping in graph.mappings(in: container.id) {
            if mapping.peer == nil {
                ram += 1
                if ram > Self.shown { continue }
            }
            out.append("  ")
            out.append(iova: mapping.iova, size: mapping.size)
            out.append("  ")
            out.append(size: mapping.size)
            out.append(mapping.readable ? mapping.writable ? "  rw" : "  r-" : mapping.writable ? "  -w" : "  --")
            if let peer = mapping.peer.flatMap({ graph.peer($0) }) {
                for (index, target) in peer.targets.enumerated() {
                    out.append(index == 0 ? "  → " : ", ")
                    out.append(target)
                }
                for finding in findings
                where finding.isOfMapping && finding.container == container.id && finding.iova == mapping.iova {
                    out.append("  !! ")
                    out.append(string: finding.rule)
                }
            } else {
                out.append("  RAM")
            }
            if marked { provenance(mapping.provenance, &out) }
            out.endLine()
        }
        if ram > Self.shown {
            out.append("  … and ")
            out.append(UInt64(ram - Self.shown))
            out.append(" more of RAM")
            out.endLine()
        }
    }

    private func write(_ device: Device, _ graph: borrowing Graph, marked: Bool, _ out: inout ByteWriter) {
        out.append("  group ")
        out.append(device.group ?? 0)
        out.append("  ")
        out.append(device.address)
        out.append("  ")
        if device.info.driver.isEmpty { out.append("no driver") } else { out.append(plain: device.info.driver) }
        if device.isOpen {
            out.append("  open")
            if let opener = device.opener, opener != Actor() {
                out.append(" by ")
                out.append(plain: graph.displayName(for: opener))
                out.append(" (pid ")
                out.append(opener.process.pid)
                out.append(")")
            }
            if !device.isReachable { out.append(", not reachable") }
            if marked { provenance(device.provenance, &out) }
        } else {
            out.append("  closed")
        }
        out.endLine()
        for area in graph.allKeptAreas where area.device == device.address {
            out.append("    ")
            out.append(bar: area.bar, offset: area.barOffset)
            out.append("  ")
            out.append(size: area.size)
            out.append("  kept from the kernel by ")
            out.append(plain: graph.displayName(for: area.holder))
            out.append(" (pid ")
            out.append(area.holder.process.pid)
            out.append(")")
            out.endLine()
        }
    }

    /// How a row is known, unless an event told it.
    private func provenance(_ provenance: Provenance, _ out: inout ByteWriter) {
        switch provenance {
        case .observed: break
        case .snapshot: out.append("  (snapshot)")
        case .inferred: out.append("  (inferred)")
        }
    }
}
