// SPDX-License-Identifier: Apache-2.0
/// Shapes and text of the SVG format: one element a line.
extension SVG {
    func text(_ text: OutputText, _ x: Int, _ y: Int, _ kind: StaticString, _ out: inout ByteWriter) {
        out.line(#"<text x="\#(x)" y="\#(y)" class="\#(kind)">\#(text)</text>"#)
    }

    func rectangle(_ box: SVGLayout.Box, _ kind: StaticString, radius: Int = 8, _ out: inout ByteWriter) {
        out.append(#"<rect x="\#(box.x)" y="\#(box.y)" width="\#(box.width)" height="\#(box.height)""#)
        out.line(#" rx="\#(radius)" class="\#(kind)"/>"#)
    }

    /// A row that is marked, because a finding is about it.
    func mark(_ box: SVGLayout.Box, from y: Int, height: Int, _ out: inout ByteWriter) {
        let row = SVGLayout.Box(x: box.x + 1, y: y, width: box.width - 2, height: height - 1)
        rectangle(row, "hit", radius: 3, &out)
    }

    /// A line across a box at `y`.
    func divider(_ box: SVGLayout.Box, _ y: Int, _ out: inout ByteWriter) {
        let (left, right) = (box.x + 1, box.x + box.width - 1)
        out.line(#"<line class="rule" x1="\#(left)" x2="\#(right)" y1="\#(y)" y2="\#(y)"/>"#)
    }

    /// A curve that leaves and arrives level.
    func curve(_ x1: Int, _ y1: Int, _ x2: Int, _ y2: Int, _ kind: StaticString, _ out: inout ByteWriter) {
        let reach = (x2 - x1) / 2
        out.append(#"<path class="\#(kind)" d="M\#(x1) \#(y1) "#)
        out.line(#"C\#(x1 + reach) \#(y1) \#(x2 - reach) \#(y2) \#(x2) \#(y2)"/>"#)
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
