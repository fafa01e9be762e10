// SPDX-License-Identifier: Apache-2.0
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
        let unix = Int64(truncatingIfNeeded: time) &+ session.clockOffset
        let left = SVGLayout.margin
        out.append(#"<svg xmlns="http://www.w3.org/2000/svg" width="\#(SVGLayout.width)" height="\#(height)""#)
        out.append(#" viewBox="0 0 \#(SVGLayout.width) \#(height)""#)
        out.line(#" font-family="Inter, Helvetica, Arial, sans-serif" font-size="13">"#)
        style(&out)
        out.line(#"<rect class="paper" width="100%" height="100%"/>"#)
        text("VFIO DMA mappings at \(time: unix)", left, 40, "title", &out)
        text("\(xml: Picture.origin(session)): \(xml: picture.summary)", left, 62, "muted", &out)
        if picture.containers.isEmpty {
            let none: OutputText = "No container has a mapping or a descriptor at this moment."
            text(none, left, SVGLayout.top + 14, "muted", &out)
        }
        drawLinks(picture, layout, &out)
        drawEdges(picture, layout, &out)
        for (owner, box) in zip(picture.owners, layout.owners) { draw(owner, box, &out) }
        for index in picture.containers.indices { draw(container: index, picture, layout, &out) }
        for index in picture.devices.indices { draw(device: index, picture, layout, &out) }
        legend(legendY, &out)
        for (index, sentence) in sentences.enumerated() {
            let x = left + (sentence.isFirst ? 0 : 14)
            text("\(xml: sentence.text)", x, legendY + 32 + index * 18, "bad", &out)
        }
        if picture.findings.count > Self.listed {
            let others = picture.findings.count - Self.listed
            text("and \(others) more", left, legendY + 32 + sentences.count * 18, "muted", &out)
        }
        out.line("</svg>")
    }

    private func style(_ out: inout ByteWriter) {
        out.line(
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
    }

    // MARK: Lines

    private func drawLinks(_ picture: Picture, _ layout: SVGLayout, _ out: inout ByteWriter) {
        let ownerEnd = SVGLayout.ownerX + SVGLayout.ownerWidth
        let containerEnd = SVGLayout.containerX + SVGLayout.containerWidth
        func headY(_ box: SVGLayout.Box) -> Int { box.y + SVGLayout.head / 2 }
        for (index, box) in picture.containers.enumerated() {
            guard let owner = box.owner else { continue }
            let y = headY(layout.containers[index])
            curve(ownerEnd, layout.owners[owner].middle, SVGLayout.containerX, y, "has", &out)
        }
        for (index, box) in picture.devices.enumerated() {
            guard let container = box.container else { continue }
            let y = headY(layout.containers[container])
            curve(containerEnd, y, SVGLayout.deviceX, headY(layout.devices[index]), "has", &out)
        }
    }

    private func drawEdges(_ picture: Picture, _ layout: SVGLayout, _ out: inout ByteWriter) {
        let start = SVGLayout.containerX + SVGLayout.containerWidth
        let end = SVGLayout.deviceX - 5
        // Findings last: they lie on top.
        for isFinding in [false, true] {
            for (index, edge) in picture.edges.enumerated() where edge.findings.isEmpty != isFinding {
                let y = layout.edgeEnds[index]
                curve(start, layout.edgeStarts[index], end, y, isFinding ? "finding" : "peer", &out)
                let dot: StaticString = isFinding ? "finding-dot" : "peer-dot"
                out.line(#"<circle r="4.5" cx="\#(end)" cy="\#(y)" class="\#(dot)"/>"#)
            }
        }
    }

    // MARK: Boxes

    private func draw(_ owner: Picture.Owner, _ box: SVGLayout.Box, _ out: inout ByteWriter) {
        let comm = owner.actor.comm.string
        let pid = owner.actor.process.pid
        rectangle(box, "box owner", &out)
        text("\(xml: Self.clip(owner.name, 22))", box.x + 12, box.y + 26, "name", &out)
        let process: OutputText =
            comm.isEmpty || comm == owner.name ? "pid \(pid)" : "pid \(pid), \(xml: Self.clip(comm, 16))"
        text(process, box.x + 12, box.y + 46, "muted", &out)
    }

    private func draw(container index: Int, _ picture: Picture, _ layout: SVGLayout, _ out: inout ByteWriter) {
        let (it, box) = (picture.containers[index], layout.containers[index])
        let (left, right) = (box.x + 12, box.x + box.width - 12)
        rectangle(box, "box container", &out)
        text("container \(it.container.id)", left, box.y + 26, "name", &out)
        if it.container.closed != nil { text("descriptor closed", right, box.y + 26, "muted end", &out) }
        let mappings = Picture.count(it.mappings, "mapping", "mappings")
        text("\(size: it.ramBytes) of RAM, \(xml: mappings)", left, box.y + 46, "muted", &out)
        if !it.findings.isEmpty {
            mark(box, from: box.y + SVGLayout.head, height: SVGLayout.row, &out)
            text(tag(it.findings), left, box.y + SVGLayout.head + 16, "tag", &out)
        }
        for (position, edge) in picture.edges.enumerated() where edge.container == index {
            let y = layout.edgeStarts[position]
            divider(box, y - SVGLayout.row / 2, &out)
            if !edge.findings.isEmpty {
                mark(box, from: y - SVGLayout.row / 2, height: SVGLayout.findingRow, &out)
                text(tag(edge.findings), left, y + 22, "tag", &out)
            }
            text("\(xml: Picture.place(edge))", left, y + 4, "mono", &out)
            text("\(size: edge.size)", right, y + 4, "mono end", &out)
        }
    }

    /// `high stale-mapping and 2 more`: the most severe finding comes first.
    private func tag(_ findings: [Finding]) -> OutputText {
        let (worst, others) = (findings[0], findings.count - 1)
        let more: OutputText = others > 0 ? " and \(others) more" : ""
        return "\(worst.severity) \(xml: worst.rule)\(more)"
    }

    private func draw(device index: Int, _ picture: Picture, _ layout: SVGLayout, _ out: inout ByteWriter) {
        let (it, box) = (picture.devices[index], layout.devices[index])
        let (left, right) = (box.x + 12, box.x + box.width - 12)
        let name: OutputText = it.device.map { "\($0.address)" } ?? "device memory of unknown owner"
        let state = Picture.state(it).joined(separator: ", ")
        rectangle(box, it.isReachable ? "box device" : "box silent", &out)
        text(name, left, box.y + 26, "name", &out)
        if let device = it.device, let silence = Picture.silence(device) {
            text("\(xml: silence)", right, box.y + 26, "muted end", &out)
        }
        text("\(xml: Self.clip(state, 46))", left, box.y + 46, "muted", &out)
        for (row, bar) in it.bars.enumerated() {
            let y = box.y + SVGLayout.head + row * SVGLayout.row
            divider(box, y, &out)
            if picture.edges.contains(where: { $0.device == index && $0.bar == bar.bar && !$0.findings.isEmpty }) {
                mark(box, from: y, height: SVGLayout.row, &out)
            }
            text("\(xml: Picture.barName(bar.bar))", left, y + 16, "mono", &out)
            text("\(size: bar.size)", right, y + 16, "mono end", &out)
        }
    }

    private func legend(_ y: Int, _ out: inout ByteWriter) {
        let entries: [(kind: StaticString, label: String)] = [
            ("has", "the device's group is in the container"), ("peer", "can DMA to the BAR"),
            ("finding", "can, with an open finding"),
        ]
        var x = SVGLayout.margin
        for (kind, label) in entries {
            curve(x, y - 4, x + 34, y - 4, kind, &out)
            text("\(xml: label)", x + 42, y, "muted", &out)
            x += 42 + label.count * 7 + 20
        }
    }
}
