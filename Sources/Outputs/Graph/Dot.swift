// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// The graph for graphviz: `dot -Tsvg`. Processes, containers, devices with their BARs, and who can
/// DMA where.
public struct Dot: GraphOutput {
    public init() {}

    public func write(
        _ graph: borrowing Graph, findings: [Finding], at time: UInt64, session: Session, into out: inout ByteWriter
    ) {
        let picture = Picture(graph, findings: findings)
        let unix = Int64(truncatingIfNeeded: time) &+ session.clockOffset
        out.line("digraph vfioscope {")
        out.line(#"  rankdir=LR; nodesep=0.25; ranksep=1.2; labelloc=t; fontname="Helvetica";"#)
        out.append("  label=<<b>VFIO DMA mappings at \(time: unix)</b><br/>")
        out.line("\(xml: Picture.origin(session)): \(xml: picture.summary)>;")
        out.line(#"  node [shape=plain, fontname="Helvetica", fontsize=11];"#)
        out.line(##"  edge [fontname="Helvetica", fontsize=9, color="#64748b", arrowsize=0.7];"##)
        for (index, owner) in picture.owners.enumerated() { node(owner, index, &out) }
        for box in picture.containers { node(box, &out) }
        for (index, box) in picture.devices.enumerated() { node(box, index, picture, &out) }
        links(picture, &out)
        for edge in picture.edges { self.edge(edge, picture, &out) }
        out.line("}")
    }

    // MARK: Nodes: tables, whose first row is bold

    /// The beginning of a table, up to the end of its title.
    private func table(_ title: OutputText, fill: StaticString, port: StaticString = "") -> OutputText {
        """
        <table border="0" cellborder="1" cellspacing="0" cellpadding="5" color="#94a3b8">\
        <tr><td bgcolor="\(fill)"\(port)><b>\(title)</b>
        """
    }

    private func node(_ owner: Picture.Owner, _ index: Int, _ out: inout ByteWriter) {
        let head = table("\(xml: owner.name)", fill: "#ffedd5")
        out.line("  p\(index) [label=<\(head)<br/>pid \(owner.actor.process.pid)</td></tr></table>>];")
    }

    private func node(_ box: Picture.ContainerBox, _ out: inout ByteWriter) {
        let id = box.container.id
        let head = table("\(id)\(box.container.closed == nil ? "" : " (descriptor closed)")", fill: "#dbeafe")
        out.append("  \(id) [label=<\(head)<br/>\(size: box.ramBytes) of RAM")
        out.append("<br/>\(xml: Picture.count(box.mappings, "mapping", "mappings"))")
        for finding in box.findings {
            out.append(##"<br/><font color="#dc2626">\##(bold(finding))</font>"##)
        }
        out.line("</td></tr></table>>];")
    }

    private func node(_ box: Picture.DeviceBox, _ index: Int, _ picture: Picture, _ out: inout ByteWriter) {
        let title: OutputText = box.device.map { "\($0.address)" } ?? "device memory of unknown owner"
        let head = table(title, fill: box.isReachable ? "#dcfce7" : "#e2e8f0", port: #" port="device""#)
        out.append("  d\(index) [label=<\(head)")
        for part in Picture.state(box) { out.append("<br/>\(xml: part)") }
        if let device = box.device, let silence = Picture.silence(device) {
            out.append("<br/>not reachable: \(xml: silence)")
        }
        out.append("</td></tr>")
        for (bar, size) in box.bars {
            out.append(#"<tr><td port="bar\#(bar)">\#(xml: Picture.barName(bar)), \#(size: size)</td></tr>"#)
        }
        out.line("</table>>];")
    }

    private func bold(_ finding: Finding) -> OutputText { "<b>\(finding.severity) \(xml: finding.rule)</b>" }

    // MARK: Edges

    /// From who has a container to the container, and from that to the devices of its groups.
    private func links(_ picture: Picture, _ out: inout ByteWriter) {
        for box in picture.containers {
            if let owner = box.owner { out.line("  p\(owner) -> \(box.container.id) [arrowhead=none];") }
        }
        for (index, box) in picture.devices.enumerated() {
            guard let container = box.container else { continue }
            let id = picture.containers[container].container.id
            out.line("  \(id) -> d\(index):device [style=dotted, arrowhead=none];")
        }
    }

    private func edge(_ edge: Picture.Edge, _ picture: Picture, _ out: inout ByteWriter) {
        let hasBar = picture.devices[edge.device].bars.contains { $0.bar == edge.bar }
        let port: OutputText = hasBar ? "bar\(edge.bar)" : "device"
        out.append("  \(picture.containers[edge.container].container.id) -> d\(edge.device):\(port)")
        out.append(
            edge.findings.isEmpty
                ? ##" [color="#2563eb", label=<"##
                : ##" [color="#dc2626", fontcolor="#dc2626", penwidth=2.5, label=<"##)
        for finding in edge.findings { out.append("\(bold(finding))<br/>") }
        out.line("\(xml: Picture.place(edge))<br/>\(size: edge.size)>];")
    }
}
