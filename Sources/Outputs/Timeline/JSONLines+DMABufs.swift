// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// `device` lines about the device's memory as dma-bufs.
extension JSONLines {
    mutating func write(
        _ buffer: DMABuf, _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph,
        _ out: inout ByteWriter
    ) {
        let action: TimelineWord =
            switch buffer.action {
            case .export: .dmaBufExport
            case .revoke: .dmaBufRevoke
            case .restore: .dmaBufRestore
            case .release: .dmaBufRelease
            }
        open(.device, action, event, &out)
        // The record of a release names no device; the graph knows which device had exported it.
        if case .device(let address) = applied.affects {
            out.member(.device, address)
        } else {
            out.member(.device, orNull: buffer.device)
        }
        out.member(.inode, applied.buffer)
        guard buffer.action == .export else { return }
        bar(at: buffer.address, of: buffer.device, graph, &out)
        out.member(.size, buffer.size)
        out.member(.ranges, buffer.ranges)
        out.member(.revoked, buffer.isRevoked)
    }
}
