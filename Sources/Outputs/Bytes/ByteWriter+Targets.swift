import Events
import MappingGraph

extension ByteWriter {
    /// Appends the elements of a JSON array: where a mapping leads, piece by piece.
    mutating func append(json targets: some Collection<Target>) {
        var first = true
        for target in targets {
            if !first { append(byte: 0x2c) }
            first = false
            if let device = target.device {
                append(#"{"device":""#)
                append(device)
                append(#"","bar":"#)
                append(UInt64(target.bar))
                append(#","bar_offset":"#)
                append(target.barOffset)
            } else {
                append(#"{"device":null,"bar":null,"bar_offset":null"#)
            }
            append(#","iova":""#)
            append(hex: target.iova)
            append(#"","size":"#)
            append(target.size)
            append(byte: 0x7d)
        }
    }
}
