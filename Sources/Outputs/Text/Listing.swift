// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// The graph at one moment, as a list for people: containers with their groups, devices and
/// mappings, the largest first where it is cut.
public struct Listing: GraphOutput {
    /// RAM mappings of a container that are shown; mappings of device memory are all shown.
    static let shown = 16

    public init(options: OutputOptions = OutputOptions()) {}

    public func write(
        _ graph: borrowing Graph, findings: [Finding], at time: UInt64, session: Session, into out: inout ByteWriter
    ) {
        let unix = Int64(truncatingIfNeeded: time) &+ session.clockOffset
        out.line("Linux \(text: session.kernel) at \(time: unix)")
        let containers = graph.containers
        if containers.isEmpty { out.line("No container is open, and no group is in one.") }
        // A listing of one snapshot does not repeat on each row that it is from the snapshot.
        let isOneSnapshot = containers.allSatisfy { container in
            container.provenance == .snapshot
                && graph.mappings(in: container.id).allSatisfy { $0.provenance == .snapshot }
        }
        for container in containers {
            let about = findings.filter { $0.container == container.id }
            out.endLine()
            head(container, about, graph, at: time, marked: !isOneSnapshot, &out)
            devices(of: container, graph, marked: !isOneSnapshot, &out)
            mappings(of: container, about, graph, marked: !isOneSnapshot, &out)
        }
        writeProcesses(graph, at: time, &out)
        out.flush()
    }

    /// `container c1  qemu (pid 17)  3 of 65535 mappings, 1 GiB  !! no-open-device`
    private func head(
        _ container: Container, _ findings: [Finding], _ graph: borrowing Graph, at time: UInt64, marked: Bool,
        _ out: inout ByteWriter
    ) {
        let opener: OutputText = container.opener.map { who($0, graph) } ?? "no descriptor is held"
        let capacity = graph.mappingCapacity(of: container.id, at: time)
        out.append("container \(container.id)  \(opener)  \(capacity.mappings) of \(capacity.limit) mappings, ")
        out.append("\(size: graph.mappedBytes(in: container.id))\(exhaustion(capacity.exhaustedIn))")
        if container.closed != nil { out.append(", closed but alive") }
        if marked { out.append(provenance(container.provenance)) }
        for finding in findings where !finding.isOfMapping { out.append("  !! \(text: finding.rule)") }
        out.endLine()
    }

    /// `qemu (pid 17)`
    func who(_ actor: Actor, _ graph: borrowing Graph) -> OutputText {
        "\(text: graph.displayName(for: actor)) (pid \(actor.process.pid))"
    }

    private func mappings(
        of container: Container, _ findings: [Finding], _ graph: borrowing Graph, marked: Bool, _ out: inout ByteWriter
    ) {
        var ram = 0
        for mapping in graph.mappings(in: container.id) {
            if mapping.peer == nil {
                ram += 1
                if ram > Self.shown { continue }
            }
            let access = TextLines.access(readable: mapping.readable, writable: mapping.writable)
            out.append("  \(iova: mapping.iova, size: mapping.size)  \(size: mapping.size)\(access)")
            if let peer = mapping.peer.flatMap({ graph.peer($0) }) {
                for (index, target) in peer.targets.enumerated() {
                    out.append("\(index == 0 ? "  → " : ", ")\(target)")
                }
                for finding in findings where finding.isOfMapping && finding.iova == mapping.iova {
                    out.append("  !! \(text: finding.rule)")
                }
            } else {
                out.append(mapping.isTargetUnknown ? "  leads to: not known" : "  RAM")
            }
            if marked { out.append(provenance(mapping.provenance)) }
            out.endLine()
        }
        if ram > Self.shown { out.line("  … and \(ram - Self.shown) more of RAM") }
    }

    private func devices(of container: Container, _ graph: borrowing Graph, marked: Bool, _ out: inout ByteWriter) {
        for number in container.groups.sorted() {
            let members = graph.devices.values.filter { $0.group == number }
            for device in members.sorted(by: { $0.address < $1.address }) {
                write(device, graph, marked: marked, &out)
                for area in graph.allKeptAreas where area.device == device.address {
                    out.append("    \(bar: area.bar, offset: area.barOffset)  \(size: area.size)  ")
                    out.line("kept from the kernel by \(who(area.holder, graph))")
                }
            }
        }
    }

    /// `  group 30  0000:65:00.0  vfio-pci  open by qemu (pid 17), not reachable`
    private func write(_ device: Device, _ graph: borrowing Graph, marked: Bool, _ out: inout ByteWriter) {
        let driver: OutputText = device.info.driver.isEmpty ? "no driver" : "\(text: device.info.driver)"
        out.append("  group \(device.group ?? 0)  \(device.address)  \(driver)  ")
        guard device.isOpen else { return out.line("closed") }
        out.append("open")
        if let opener = device.opener, opener != Actor() { out.append(" by \(who(opener, graph))") }
        if !device.isReachable { out.append(", not reachable") }
        if device.usesIOMMUFD { out.append(", through iommufd (its mappings are not traced)") }
        if marked { out.append(provenance(device.provenance)) }
        out.endLine()
    }

    /// How a row is known, unless by an event.
    private func provenance(_ provenance: Provenance) -> StaticString {
        switch provenance {
        case .observed: ""
        case .snapshot: "  (snapshot)"
        case .inferred: "  (inferred)"
        }
    }
}
