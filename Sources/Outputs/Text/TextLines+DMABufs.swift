import Events
import MappingGraph

extension TextLines {
    mutating func write(
        _ buffer: DMABuf, _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        let verb: StaticString =
            switch buffer.action {
            case .export: "dma-buf export"
            case .revoke: "dma-buf revoke"
            case .restore: "dma-buf back"
            case .release: "dma-buf freed"
            }
        line(verb, event, graph, &out) { out in
            if case .device(let address) = applied.affects {
                out.append(address)
            } else if let address = buffer.device {
                out.append(address)
            }
            if buffer.action == .export {
                if let target = graph.resolve(address: buffer.address, size: 1).first, target.device == buffer.device {
                    out.append(byte: 0x20)
                    out.append(bar: target.bar, offset: target.barOffset)
                }
                out.append("  ")
                out.append(size: buffer.size)
                if buffer.isRevoked { out.append("  revoked") }
            }
            guard let inode = applied.buffer else { return }
            out.append("  inode ")
            out.append(inode)
        }
    }
}
