import Events
import MappingGraph

/// D20: a dma-buf of device memory stays revoked though the device answers.
struct DMABufRevoked: ContainerRule {
    let slug = "dmabuf-revoked"
    let title = "A dma-buf stays revoked though its device answers"
    let severities = Severity.low...Severity.low

    let explanation = """
        VFIO gives device memory out as a dma-buf, and takes it back while the device cannot answer: in
        reset, in D3, with its memory decode off. Importers must let go, and may map it again afterwards.

        Here the device answers again, and the kernel has not given the dma-buf back. New importers get
        -ENODEV, and so do those that had it: peer-to-peer DMA through it does not work, without a word
        in the kernel's log. It is no leak.

        One way there: the user lets the device sleep with VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
        and something else than its user wakes it.

        False positives: a device that its user lets sleep, and the host wakes and keeps awake. A dma-buf
        that was exported before tracing began is not judged.
        """

    let kernelFacts = [
        "vfio_pci_dma_buf_move revokes and gives back (6.19 and later; called under memory_lock).",
        "vfio_pci_core_runtime_resume ends low power by __vfio_pci_runtime_pm_exit, which gives nothing back; "
            + "vfio_pci_core_pm_exit does (7.3).",
        "Any write to the memory enable of COMMAND, or a reset, gives it back (vfio_basic_config_write, 7.3).",
    ]

    let advice = """
        Call VFIO_DEVICE_FEATURE_LOW_POWER_EXIT after a wake-up, or write the device's COMMAND once more.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        revoked(container, graph).map { Verdict(severity: .low, actor: $0.exporter) }
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        guard let buffer = revoked(container, graph) else {
            return "A dma-buf of a device of \(container.id) was revoked."
        }
        return
            "The dma-buf of \(buffer.size) bytes that \(graph.displayName(for: buffer.exporter)) got of "
            + "\(buffer.device) (inode \(buffer.inode)) is revoked, though the "
            + "device answers: nobody can map it."
    }

    /// The first, by device and inode.
    private func revoked(_ container: Container, _ graph: borrowing Graph) -> ExportedBuffer? {
        for device in graph.devices(in: container) where device.isOpen && device.isReachable {
            if let buffer = graph.buffers(of: device.address).first(where: \.isForgotten) { return buffer }
        }
        return nil
    }
}
