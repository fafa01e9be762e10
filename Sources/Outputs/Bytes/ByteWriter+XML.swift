// SPDX-License-Identifier: Apache-2.0
/// Text within markup: SVG, and graphviz's labels.
extension ByteWriter {
    /// Appends text for XML and for graphviz's HTML-like labels: markup escaped, control characters
    /// as U+FFFD.
    mutating func append(xml text: String) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": append("&amp;")
            case "<": append("&lt;")
            case ">": append("&gt;")
            case "\"": append("&quot;")
            case "'": append("&#39;")
            // Neither control characters nor U+FFFE and U+FFFF are characters of XML 1.0.
            case "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}", "\u{fffe}", "\u{ffff}": append("\u{fffd}")
            default: for byte in Unicode.UTF8.encode(scalar)! { append(byte: byte) }
            }
        }
    }
}
