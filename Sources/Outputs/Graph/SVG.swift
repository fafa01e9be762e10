import Events
import Findings
import MappingGraph

/// The graph as a picture that needs nothing else: one SVG file, drawn by `SVGLayout`.
public struct SVG: GraphOutput {
    public init() {}

    /// Findings whose sentences are written out below the picture.
    static let listed = 12

    public func write(
        _ graph: borrowing Graph, findings: [Finding], at time: UInt64, session: Session, into out: inout ByteWriter
    ) {
        let picture = Picture(graph, findings: findings)
        let layout = SVGLayout(picture)
        let sentences = picture.findings.prefix(Self.listed).flatMap { finding in
            Self.wrap("\(finding.severity.name) \(finding.rule): \(finding.message)").enumerated().map {
                (isFirst: $0 == 0, text: $1)
            }
        }
        let legendY = layout.bottom + 44
        let height =
            legendY + 30 + sentences.count * 18 + (picture.findings.count > Self.listed ? 18 : 0) + SVGLayout.margin / 2
        out.append(#"<svg xmlns="http://www.w3.org/2000/svg" width=""#)
        number(SVGLayout.width, &out)
        out.append(#"" height=""#)
        number(height, &out)
        out.append(#"" viewBox="0 0 "#)
        number(SVGLayout.width, &out)
        out.append(" ")
        number(height, &out)
        out.append(#"" font-family="Inter, Helvetica, Arial, sans-serif" font-size="13">"#)
        out.endLine()
        style(&out)
        out.append(#"<rect class="paper" width="100%" height="100%"/>"#)
        out.endLine()
        let moment = String(
            decoding: ByteWriter.gather { $0.append(time: Int64(truncatingIfNeeded: time) &+ session.clockOffset) },
            as: UTF8.self)
        text("VFIO DMA mappings at \(moment)", SVGLayout.margin, 40, "title", &out)
        text("\(Picture.origin(session)): \(picture.summary)", SVGLayout.margin, 62, "muted", &out)
        if picture.containers.isEmpty {
            text(
                "No container has a mapping or a descriptor at this moment.", SVGLayout.margin, SVGLayout.top + 14,
                "muted", &out)
        }
        drawLinks(picture, layout, &out)
        drawEdges(picture, layout, &out)
        for (owner, box) in zip(picture.owners, layout.owners) { draw(owner, box, &out) }
        for index in picture.containers.indices { draw(container: index, picture, layout, &out) }
        for index in picture.devices.indices { draw(device: index, picture, layout, &out) }
        legend(legendY, &out)
        for (index, sentence) in sentences.enumerated() {
            text(sentence.text, SVGLayout.margin + (sentence.isFirst ? 0 : 14), legendY + 32 + index * 18, "bad", &out)
        }
        if picture.findings.count > Self.listed {
            text(
                "and \(picture.findings.count - Self.listed) more", SVGLayout.margin,
                legendY + 32 + sentences.count * 18, "muted", &out)
        }
        out.append("</svg>")
        out.endLine()
    }

    private func style(_ out: inout ByteWriter) {
        out.append(
            """
            <style>
            .paper { fill: #ffffff } text { fill: #1e293b } .title { font-size: 19px; font-weight: 600 } \
            .muted { fill: #64748b; font-size: 12px }
            .name { font-weight: 600; font-size: 14px } \
            .mono { font-family: "JetBrains Mono", "DejaVu Sans Mono", Menlo, monospace; font-size: 11px }
            .bad { fill: #b91c1c; font-size: 12px } \
            .tag { fill: #b91c1c; font-size: 11px; font-weight: 600 } .end { text-anchor: end }
            .box { stroke: #cbd5e1; fill: #ffffff } .owner { fill: #fff7ed; stroke: #fdba74 } \
            .container { fill: #eff6ff; stroke: #93c5fd }
            .device { fill: #f0fdf4; stroke: #86efac } \
            .silent { fill: #f1f5f9; stroke: #94a3b8; stroke-dasharray: 4 3 } .rule { stroke: #e2e8f0 }
            .hit { fill: #fee2e2 } path { fill: none } \
            .has { stroke: #cbd5e1; stroke-width: 1.5 } .peer { stroke: #2563eb; stroke-width: 1.8 }
            .finding { stroke: #dc2626; stroke-width: 2.8 } .peer-dot { fill: #2563eb } .finding-dot { fill: #dc2626 }
            </style>
            """)
        out.endLine()
    }

    // MARK: Lines

    private func drawLinks(_ picture: Picture, _ layout: SVGLayout, _ out: inout ByteWriter) {
        for (index, box) in picture.containers.enumerated() {
            guard let owner = box.owner else { continue }
            curve(
                SVGLayout.ownerX + SVGLayout.ownerWidth, layout.owners[owner].middle, SVGLayout.containerX,
                layout.containers[index].y + SVGLayout.head / 2, "has", &out)
        }
        for (index, box) in picture.devices.enumerated() {
            guard let container = box.container else { continue }
            curve(
                SVGLayout.containerX + SVGLayout.containerWidth, layout.containers[container].y + SVGLayout.head / 2,
                SVGLayout.deviceX,
                layout.devices[index].y + SVGLayout.head / 2, "has", &out)
        }
    }

    private func drawEdges(_ picture: Picture, _ layout: SVGLayout, _ out: inout ByteWriter) {
        // Findings last: they lie on top.
        for isFinding in [false, true] {
            for (index, edge) in picture.edges.enumerated() where edge.findings.isEmpty != isFinding {
                curve(
                    SVGLayout.containerX + SVGLayout.containerWidth, layout.edgeStarts[index], SVGLayout.deviceX - 5,
                    layout.edgeEnds[index],
                    isFinding ? "finding" : "peer", &out)
                out.append(#"<circle r="4.5" cx=""#)
                number(SVGLayout.deviceX - 5, &out)
                out.append(#"" cy=""#)
                number(layout.edgeEnds[index], &out)
                out.append(isFinding ? #"" class="finding-dot"/>"# : #"" class="peer-dot"/>"#)
                out.endLine()
            }
        }
    }

    // MARK: Boxes

    private func draw(_ owner: Picture.Owner, _ box: SVGLayout.Box, _ out: inout ByteWriter) {
        rectangle(box, "box owner", &out)
        text(Self.clip(owner.name, 22), box.x + 12, box.y + 26, "name", &out)
        let comm = owner.actor.comm.string
        text(
            "pid \(owner.actor.process.pid)" + (comm.isEmpty || comm == owner.name ? "" : ", \(Self.clip(comm, 16))"),
            box.x + 12, box.y + 46, "muted", &out)
    }

    private func draw(container index: Int, _ picture: Picture, _ layout: SVGLayout, _ out: inout ByteWriter) {
        let (it, box) = (picture.containers[index], layout.containers[index])
        rectangle(box, "box container", &out)
        text("container \(it.container.id)", box.x + 12, box.y + 26, "name", &out)
        if it.container.closed != nil {
            text("descriptor closed", box.x + box.width - 12, box.y + 26, "muted end", &out)
        }
        text(
            "\(Picture.size(it.ramBytes)) of RAM, \(Picture.count(it.mappings, "mapping", "mappings"))", box.x + 12,
            box.y + 46, "muted", &out)
        if let worst = it.findings.first {
            let others = it.findings.count > 1 ? " and \(it.findings.count - 1) more" : ""
            rectangle(
                SVGLayout.Box(x: box.x + 1, y: box.y + SVGLayout.head, width: box.width - 2, height: SVGLayout.row - 1),
                "hit", &out)
            text("\(worst.severity.name) \(worst.rule)\(others)", box.x + 12, box.y + SVGLayout.head + 16, "tag", &out)
        }
        for (position, edge) in picture.edges.enumerated() where edge.container == index {
            let y = layout.edgeStarts[position]
            divider(box, y - SVGLayout.row / 2, &out)
            if let worst = edge.findings.first {
                let others = edge.findings.count > 1 ? " and \(edge.findings.count - 1) more" : ""
                rectangle(
                    SVGLayout.Box(
                        x: box.x + 1, y: y - SVGLayout.row / 2, width: box.width - 2, height: SVGLayout.findingRow - 1),
                    "hit", &out)
                text("\(worst.severity.name) \(worst.rule)\(others)", box.x + 12, y + 22, "tag", &out)
            }
            text(Picture.place(edge), box.x + 12, y + 4, "mono", &out)
            text(Picture.size(edge.size), box.x + box.width - 12, y + 4, "mono end", &out)
        }
    }

    private func draw(device index: Int, _ picture: Picture, _ layout: SVGLayout, _ out: inout ByteWriter) {
        let (it, box) = (picture.devices[index], layout.devices[index])
        rectangle(box, it.isReachable ? "box device" : "box silent", &out)
        text(it.device?.address.description ?? "device memory of unknown owner", box.x + 12, box.y + 26, "name", &out)
        if let device = it.device, let silence = Picture.silence(device) {
            text(silence, box.x + box.width - 12, box.y + 26, "muted end", &out)
        }
        text(Self.clip(Picture.state(it).joined(separator: ", "), 46), box.x + 12, box.y + 46, "muted", &out)
        for (row, bar) in it.bars.enumerated() {
            let y = box.y + SVGLayout.head + row * SVGLayout.row
            divider(box, y, &out)
            if picture.edges.contains(where: { $0.device == index && $0.bar == bar.bar && !$0.findings.isEmpty }) {
                rectangle(
                    SVGLayout.Box(x: box.x + 1, y: y, width: box.width - 2, height: SVGLayout.row - 1), "hit", &out)
            }
            text(Picture.barName(bar.bar), box.x + 12, y + 16, "mono", &out)
            text(Picture.size(bar.size), box.x + box.width - 12, y + 16, "mono end", &out)
        }
    }

    private func legend(_ y: Int, _ out: inout ByteWriter) {
        var x = SVGLayout.margin
        for (kind, label) in [
            ("has" as StaticString, "the device's group is in the container"), ("peer", "can DMA to the BAR"),
            ("finding", "can, with an open finding"),
        ] {
            curve(x, y - 4, x + 34, y - 4, kind, &out)
            text(label, x + 42, y, "muted", &out)
            x += 42 + label.count * 7 + 20
        }
    }
}
