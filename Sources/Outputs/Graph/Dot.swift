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
        out.append("digraph vfioscope {")
        out.endLine()
        line("rankdir=LR; nodesep=0.25; ranksep=1.2; labelloc=t; fontname=\"Helvetica\";", &out)
        out.append("  label=<<b>VFIO DMA mappings at ")
        out.append(time: Int64(truncatingIfNeeded: time) &+ session.clockOffset)
        out.append("</b><br/>")
        out.append(xml: Picture.origin(session) + ": " + picture.summary)
        out.append(">;")
        out.endLine()
        line("node [shape=plain, fontname=\"Helvetica\", fontsize=11];", &out)
        line("edge [fontname=\"Helvetica\", fontsize=9, color=\"#64748b\", arrowsize=0.7];", &out)
        for (index, owner) in picture.owners.enumerated() { node(owner, index, &out) }
        for box in picture.containers { node(box, &out) }
        for (index, box) in picture.devices.enumerated() { node(box, index, picture, &out) }
        for box in picture.containers where box.owner != nil {
            out.append("  p")
            out.append(UInt64(box.owner!))
            out.append(" -> c")
            out.append(box.container.id.number)
            out.append(" [arrowhead=none];")
            out.endLine()
        }
        for (index, box) in picture.devices.enumerated() where box.container != nil {
            out.append("  c")
            out.append(picture.containers[box.container!].container.id.number)
            out.append(" -> d")
            out.append(UInt64(index))
            out.append(":device [style=dotted, arrowhead=none];")
            out.endLine()
        }
        for edge in picture.edges { self.edge(edge, picture, &out) }
        out.append("}")
        out.endLine()
    }

    private func line(_ text: StaticString, _ out: inout ByteWriter) {
        out.append("  ")
        out.append(text)
        out.endLine()
    }

    /// Opens a node whose label is a table with a bold first row.
    private func table(_ title: String, _ fill: StaticString, port: Bool = false, _ out: inout ByteWriter) {
        out.append(" [label=<<table border=\"0\" cellborder=\"1\" cellspacing=\"0\" cellpadding=\"5\" ")
        out.append("color=\"#94a3b8\"><tr><td bgcolor=\"")
        out.append(fill)
        out.append(port ? "\" port=\"device\"><b>" : "\"><b>")
        out.append(xml: title)
        out.append("</b>")
    }

    private func detail(_ text: String, _ out: inout ByteWriter) {
        out.append("<br/>")
        out.append(xml: text)
    }

    private func close(_ out: inout ByteWriter) {
        out.append("</table>>];")
        out.endLine()
    }

    private func node(_ owner: Picture.Owner, _ index: Int, _ out: inout ByteWriter) {
        out.append("  p")
        out.append(UInt64(index))
        table(owner.name, "#ffedd5", &out)
        detail("pid \(owner.actor.process.pid)", &out)
        out.append("</td></tr>")
        close(&out)
    }

    private func node(_ box: Picture.ContainerBox, _ out: inout ByteWriter) {
        out.append("  c")
        out.append(box.container.id.number)
        table(
            box.container.id.description + (box.container.closed == nil ? "" : " (descriptor closed)"), "#dbeafe", &out)
        detail("\(Picture.size(box.ramBytes)) of RAM", &out)
        detail(Picture.count(box.mappings, "mapping", "mappings"), &out)
        for finding in box.findings {
            out.append("<br/><font color=\"#dc2626\"><b>")
            out.append(xml: "\(finding.severity.name) \(finding.rule)")
            out.append("</b></font>")
        }
        out.append("</td></tr>")
        close(&out)
    }

    private func node(_ box: Picture.DeviceBox, _ index: Int, _ picture: Picture, _ out: inout ByteWriter) {
        out.append("  d")
        out.append(UInt64(index))
        table(
            box.device?.address.description ?? "device memory of unknown owner",
            box.isReachable ? "#dcfce7" : "#e2e8f0", port: true, &out)
        for part in Picture.state(box) { detail(part, &out) }
        if let device = box.device, let silence = Picture.silence(device) { detail("not reachable: \(silence)", &out) }
        out.append("</td></tr>")
        for (bar, size) in box.bars {
            out.append("<tr><td port=\"bar")
            out.append(UInt64(bar))
            out.append("\">")
            out.append(xml: "\(Picture.barName(bar)), \(Picture.size(size))")
            out.append("</td></tr>")
        }
        close(&out)
    }

    private func edge(_ edge: Picture.Edge, _ picture: Picture, _ out: inout ByteWriter) {
        out.append("  c")
        out.append(picture.containers[edge.container].container.id.number)
        out.append(" -> d")
        out.append(UInt64(edge.device))
        let hasBar = picture.devices[edge.device].bars.contains { $0.bar == edge.bar }
        out.append(hasBar ? ":bar" : ":device")
        if hasBar { out.append(UInt64(edge.bar)) }
        out.append(
            edge.findings.isEmpty
                ? " [color=\"#2563eb\", label=<" : " [color=\"#dc2626\", fontcolor=\"#dc2626\", penwidth=2.5, label=<")
        for finding in edge.findings {
            out.append("<b>")
            out.append(xml: "\(finding.severity.name) \(finding.rule)")
            out.append("</b><br/>")
        }
        out.append(xml: Picture.place(edge))
        out.append("<br/>")
        out.append(xml: Picture.size(edge.size))
        out.append(">];")
        out.endLine()
    }
}
