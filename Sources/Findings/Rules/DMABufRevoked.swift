// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D20: a dma-buf of device memory stays revoked although the device answers.
struct DMABufRevoked: ContainerRule {
    let slug = "dmabuf-revoked"
    let title = "A dma-buf stays revoked although its device answers"
    let severities = Severity.low...Severity.low
    let condition = "a dma-buf of one of its devices is revoked, although the device answers"
    let kernels = "6.19 and later"

    let explanation = """
        VFIO exports device memory as a dma-buf, and revokes it while the device cannot answer: in reset,
        in D3, with its memory decode off. Importers must let go, and may map it again afterwards.

        Here the device answers again, and the kernel has not restored the dma-buf. New importers get
        -ENODEV, and so do those that had it: peer-to-peer DMA through it does not work, without a message
        in the kernel's log. It is no leak.

        One way to get there: the user lets the device sleep with
        VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, and something other than its user wakes it.

        False positives: a device that its user lets sleep, and that the host wakes and keeps awake. A
        dma-buf that was exported before tracing began is not judged.
        """

    let kernelFacts = [
        "vfio_pci_dma_buf_move revokes and restores (6.19 and later; called under memory_lock).",
        "vfio_pci_core_runtime_resume ends low power by __vfio_pci_runtime_pm_exit, which restores nothing; "
            + "vfio_pci_core_pm_exit does (7.3).",
        "Any write to the memory enable of COMMAND, or a reset, restores it (vfio_basic_config_write, 7.3).",
    ]

    let advice = """
        Call VFIO_DEVICE_FEATURE_LOW_POWER_EXIT after a wake-up, or write the device's COMMAND register
        once more.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        revoked(container, graph).map { Verdict(severity: .low, actor: $0.exporter) }
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        guard let buffer = revoked(container, graph) else {
            return "A dma-buf of a device of \(container.id) was revoked."
        }
        return
            "The dma-buf of \(buffer.size) bytes that \(graph.displayName(for: buffer.exporter)) exported from "
            + "\(buffer.device) (inode \(buffer.inode)) is still revoked, although the device answers: nobody can "
            + "map it."
    }

    /// The first such dma-buf by device and inode.
    private func revoked(_ container: Container, _ graph: borrowing Graph) -> ExportedBuffer? {
        for device in graph.devices(in: container) where device.isOpen && device.isReachable {
            if let buffer = graph.buffers(of: device.address).first(where: \.isForgotten) { return buffer }
        }
        return nil
    }

    var proof: RuleProof {
        @Sendable func begin(_ it: inout HostHistory) {
            it.beginPeerToPeer()
            let buffer = DMABuf(
                .export, key: 0xabc, device: Scene.nic, inode: 7, size: 0x1_0000, address: Scene.nicBar, ranges: 1)
            it.at(200, .dmaBuf(buffer))
            it.at(1000, .dmaBuf(DMABuf(.revoke, device: Scene.nic)))
            it.at(1001, .power(Scene.nic, state: .d3hot, by: .vfio))
        }
        return RuleProof(
            fires: .init(
                "VM A lets the network card sleep, and the host wakes it: the dma-buf stays revoked.", severity: .low
            ) {
                begin(&$0)
                $0.at(1100, .power(Scene.nic, state: .d0, by: .host))
                $0.advance(to: 2000)
            },
            silent: .init("VM A wakes the card itself, and the kernel restores the dma-buf.") {
                begin(&$0)
                $0.at(1100, .power(Scene.nic, state: .d0, by: .vfio))
                $0.at(1101, .dmaBuf(DMABuf(.restore, device: Scene.nic)))
                $0.advance(to: 2000)
            })
    }
}
