/// Shapes and text of the SVG format: one element a line.
extension SVG {
    func number(_ value: Int, _ out: inout ByteWriter) { out.append(Int64(value)) }

    func text(_ text: String, _ x: Int, _ y: Int, _ kind: StaticString, _ out: inout ByteWriter) {
        out.append(#"<text x=""#)
        number(x, &out)
        out.append(#"" y=""#)
        number(y, &out)
        out.append(#"" class=""#)
        out.append(kind)
        out.append(#"">"#)
        out.append(xml: text)
        out.append("</text>")
        out.endLine()
    }

    func rectangle(_ box: SVGLayout.Box, _ kind: StaticString, _ out: inout ByteWriter) {
        out.append(#"<rect x=""#)
        number(box.x, &out)
        out.append(#"" y=""#)
        number(box.y, &out)
        out.append(#"" width=""#)
        number(box.width, &out)
        out.append(#"" height=""#)
        number(box.height, &out)
        out.append(#"" rx=""#)
        number(kind.description == "hit" ? 3 : 8, &out)
        out.append(#"" class=""#)
        out.append(kind)
        out.append(#""/>"#)
        out.endLine()
    }

    /// A line across a box at `y`.
    func divider(_ box: SVGLayout.Box, _ y: Int, _ out: inout ByteWriter) {
        out.append(#"<line class="rule" x1=""#)
        number(box.x + 1, &out)
        out.append(#"" x2=""#)
        number(box.x + box.width - 1, &out)
        out.append(#"" y1=""#)
        number(y, &out)
        out.append(#"" y2=""#)
        number(y, &out)
        out.append(#""/>"#)
        out.endLine()
    }

    /// A curve that leaves and arrives level.
    func curve(_ x1: Int, _ y1: Int, _ x2: Int, _ y2: Int, _ kind: StaticString, _ out: inout ByteWriter) {
        let reach = (x2 - x1) / 2
        out.append(#"<path class=""#)
        out.append(kind)
        out.append(#"" d="M"#)
        number(x1, &out)
        out.append(" ")
        number(y1, &out)
        for (lead, x, y) in [(" C" as StaticString, x1 + reach, y1), (" ", x2 - reach, y2), (" ", x2, y2)] {
            out.append(lead)
            number(x, &out)
            out.append(" ")
            number(y, &out)
        }
        out.append(#""/>"#)
        out.endLine()
    }

    /// The first characters, the last an ellipsis if any are lost.
    static func clip(_ text: String, _ length: Int) -> String {
        text.count <= length ? text : text.prefix(length - 1) + "…"
    }

    /// Lines of at most 150 characters, broken between words where there are any.
    static func wrap(_ text: String, length: Int = 150) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > length {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + clip(String(word), length)
        }
        return line.isEmpty ? lines : lines + [line]
    }
}
