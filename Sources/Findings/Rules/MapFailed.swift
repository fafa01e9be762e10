// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D5b and others: a map request failed, and why.
struct MapFailed: EventRule {
    let slug = "map-failed"
    let title = "A map request failed"
    let severities = Severity.info...Severity.low
    let condition = "a map failed with an error other than EEXIST; each errno is a finding of its own"
    let severityNote = "low; info for EFAULT while a device of the container does not answer"

    let explanation = """
        VFIO_IOMMU_MAP_DMA failed. The message explains what the error means in type1; nothing of the range
        is mapped. One finding stands for all failures with the same error in a container.

        The severity is info if the map failed with EFAULT and a device that it leads to, or one that is
        open in the container, has its memory disabled or is asleep or in reset: a BAR that does not answer
        cannot be mapped, and a virtual machine monitor may try. Otherwise it is low. EEXIST is map-exists.

        False positives: programs that try what a host can do, and continue without it.
        """

    let kernelFacts = [
        "vfio_pin_map_dma undoes what it has mapped and returns the error: a failed map leaves nothing behind "
            + "(5.10 to 7.3).",
        "A fault on a BAR whose memory is disabled ends as -EFAULT (vfio_pci_mmap_fault; 6.12 and later "
            + "vfio_pci_mmap_huge_fault).",
        "vfio_dma_do_map: -EINVAL for alignment, wrap (6.18 and 7.3: -EOVERFLOW) and reserved ranges, -ENOSPC at "
            + "dma_entry_limit, -ENOMEM at RLIMIT_MEMLOCK.",
    ]

    let advice = """
        EINVAL: align to the smallest page of VFIO_IOMMU_GET_INFO and stay inside its IOVA ranges. ENOMEM:
        raise RLIMIT_MEMLOCK. ENOSPC: see mapping-budget. EFAULT: the range must be mapped in the process,
        writable if devices may write, and a BAR's memory must be enabled.
        """

    func evaluate(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> Occurrence? {
        guard case .map(let map) = event.kind, map.result < 0, map.result != -Errno.eexist else { return nil }
        let isExpected = map.result == -Errno.efault && silentDevice(applied, graph) != nil
        return Occurrence(
            severity: isExpected ? .info : .low, kind: isExpected ? 0 : map.result, iova: map.iova, size: map.size,
            target: applied.targets.first)
    }

    func message(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) -> String {
        guard case .map(let map) = event.kind else { return "" }
        return
            "A map of \(range(map.iova, map.size)) in \(event.caller(applied, graph)) failed with "
            + "\(errorName(map.result)): \(reason(map, applied, graph))."
    }

    private func reason(_ map: MapRequest, _ applied: borrowing Applied, _ graph: borrowing Graph) -> String {
        if map.vaddrOnly { return "no mapping of exactly this range waits for a user address" }
        switch map.result {
        case -Errno.efault:
            if let device = silentDevice(applied, graph) {
                return "the memory of \(device.address) does not answer now, and cannot be mapped"
            }
            return "a page of the range is not mapped in the process, or not with that access"
        case -Errno.einval:
            return "the range is empty, not aligned, wraps, has no access, or is not one that the IOMMU can map"
        case -Errno.enomem:
            return "the process would have more memory locked than RLIMIT_MEMLOCK allows, or the kernel has none left"
        case -Errno.enospc:
            return
                "the container has as many mappings as dma_entry_limit allows (\(graph.mappingLimit) unless the host "
                + "says otherwise)"
        case -Errno.eoverflow: return "the range wraps around the end of the address space"
        case -Errno.eintr: return "the process was interrupted by a fatal signal"
        default: return "nothing was mapped"
        }
    }

    /// The device that did not answer: a target of the map, or else any open device of the
    /// container, because a map of a disabled BAR fails at its first page, before its device is
    /// known.
    private func silentDevice(_ applied: borrowing Applied, _ graph: borrowing Graph) -> Device? {
        for target in applied.targets {
            if let device = target.device.flatMap({ graph.device($0) }), !device.isReachable { return device }
        }
        guard let container = applied.container.flatMap({ graph.container($0) }) else { return nil }
        return graph.devices(in: container).first { $0.isOpen && !$0.isReachable }
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("A map of RAM fails with ENOMEM.", severity: .low) {
                $0.beginWithRAM()
                $0.mapRAM(1000, iova: 0x40_0000, result: -Errno.enomem)
            },
            silent: .init("It fails with EEXIST: that is map-exists.") {
                $0.beginWithRAM()
                $0.mapRAM(1000, iova: 0, result: -Errno.eexist)
            })
    }
}
