// SPDX-License-Identifier: Apache-2.0
import Events

/// Device memory that was exported as a dma-buf and can still become accessible, because its device
/// is open.
public struct ExportedBuffer: Sendable {
    public var device: PCIAddress
    public var inode: UInt64
    public var size: UInt64
    public var exporter: Actor
    /// Whether the kernel has revoked it until the device answers again.
    public var isRevoked: Bool
    /// Whether the device has answered again since, without the kernel restoring it.
    public var isForgotten = false
}

extension Graph {
    /// Applies an event of dma-bufs. O(dma-bufs).
    mutating func apply(_ buffer: DMABuf, _ event: Event) -> Applied {
        var applied = Applied()
        switch buffer.action {
        case .export:
            guard let device = buffer.device else { return applied }
            applied.buffer = buffer.inode
            buffers[buffer.key] = ExportedBuffer(
                device: device, inode: buffer.inode, size: buffer.size, exporter: event.actor,
                isRevoked: buffer.isRevoked)
            applied.affects = .device(device)
        case .revoke, .restore:
            guard let device = buffer.device else { return applied }
            for (key, other) in buffers where other.device == device {
                buffers[key]!.isRevoked = buffer.action == .revoke
                buffers[key]!.isForgotten = false
            }
            applied.affects = .device(device)
        case .release:
            guard let gone = buffers.removeValue(forKey: buffer.key) else { return applied }
            applied.buffer = gone.inode
            applied.affects = .device(gone.device)
        }
        return applied
    }

    /// Records that a device answers again. The kernel restores its dma-bufs right after, or
    /// forgets to. This does not apply to a device that is awake although its user has let it
    /// sleep.
    mutating func remindOfBuffers(of device: PCIAddress) {
        for (key, buffer) in buffers where buffer.device == device && buffer.isRevoked {
            buffers[key]!.isForgotten = true
        }
    }

    /// The dma-bufs of a device, by inode.
    public func buffers(of device: PCIAddress) -> [ExportedBuffer] {
        buffers.isEmpty ? [] : buffers.values.filter { $0.device == device }.sorted { $0.inode < $1.inode }
    }

    /// `vfio_pci_dma_buf_cleanup`: the last close of a device revokes its dma-bufs permanently.
    mutating func forgetBuffers(of device: PCIAddress) {
        if !buffers.isEmpty { buffers = buffers.filter { $0.value.device != device } }
    }
}
