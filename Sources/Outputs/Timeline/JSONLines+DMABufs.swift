import Events
import MappingGraph

/// `device` lines about the device's memory as dma-bufs.
extension JSONLines {
    mutating func write(
        _ buffer: DMABuf, _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        switch buffer.action {
        case .export: open(.device, #"{"type":"device","action":"dma-buf-export","t":"#, event, &out)
        case .revoke: open(.device, #"{"type":"device","action":"dma-buf-revoke","t":"#, event, &out)
        case .restore: open(.device, #"{"type":"device","action":"dma-buf-restore","t":"#, event, &out)
        case .release: open(.device, #"{"type":"device","action":"dma-buf-release","t":"#, event, &out)
        }
        // A release says no more than which one it is.
        if case .device(let address) = applied.affects { device(address, &out) } else { device(buffer.device, &out) }
        if let inode = applied.buffer {
            out.append(#","inode":"#)
            out.append(inode)
        }
        guard buffer.action == .export else { return }
        bar(at: buffer.address, of: buffer.device, graph, &out)
        out.append(#","size":"#)
        out.append(buffer.size)
        out.append(#","ranges":"#)
        out.append(buffer.ranges)
        out.append(buffer.isRevoked ? #","revoked":true"# : #","revoked":false"#)
    }
}
