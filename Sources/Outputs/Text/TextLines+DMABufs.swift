// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Lines about a device's memory as dma-bufs.
extension TextLines {
    func write(
        _ buffer: DMABuf, _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        let verb: StaticString =
            switch buffer.action {
            case .export: "dma-buf export"
            case .revoke: "dma-buf revoke"
            case .restore: "dma-buf back"
            case .release: "dma-buf freed"
            }
        begin(verb, event, graph, &out)
        if case .device(let address) = applied.affects {
            out.append(address)
        } else if let address = buffer.device {
            out.append(address)
        }
        if buffer.action == .export {
            bar(at: buffer.address, of: buffer.device, graph, &out)
            out.append("  \(size: buffer.size)\(buffer.isRevoked ? "  revoked" : "")")
        }
        if let inode = applied.buffer { out.append("  inode \(inode)") }
        end(&out)
    }
}
