// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D10: the address space in which mappings were made is gone, although nobody exited.
struct DeadMM: ContainerRule {
    let slug = "dead-mm"
    let title = "Mappings outlive the address space in which they were made"
    let severities = Severity.low...Severity.medium
    let condition =
        "mappings are in force whose maker has run another program since, or whose address space a snapshot finds "
        + "gone"
    let severityNote = "medium; low while the container's opener or a user of its devices lives"

    let explanation = """
        A process made DMA mappings and then ran another program (execve), with the container or one of its
        groups or devices still open. Its old memory is in no address space any more, but the pages stay
        pinned, devices still read and write them, and the locked memory stays charged to the old mm, where
        no limit is checked. The new program need not know about any of it.

        The severity is low while the process that opened the container, or one of its devices, is alive;
        the new program counts as alive. It is medium if none of them is known to be alive.

        A snapshot finds it too, by vfio_dma.mm->mm_users, for programs that were started before tracing;
        then the maker may have exited as well. If an exit was seen, the rule is creator-gone.

        The finding resolves when the new program supplies addresses (VFIO_DMA_MAP_FLAG_VADDR) or unmaps.
        The rule is silent while addresses are taken away for a live update: see vaddr-invalid.

        False positive: a live update by execve without these flags, which maps everything again in the
        end.
        """

    let kernelFacts = [
        "vfio_dma.mm is taken with mmgrab, which keeps the struct but neither its users nor its pages (5.10 to 7.3).",
        "The pages stay locked in the old mm: VmLck of the new program does not include them (5.10 to 7.3).",
        "VFIO_DMA_MAP_FLAG_VADDR makes the caller the owner: vfio_change_dma_owner (6.1 to 7.3; 5.10 has no such "
            + "flag).",
        "Accounting against a dead mm was wrong more than once: CVE-2019-3882, CVE-2022-48700, CVE-2023-53171.",
    ]

    let advice = """
        Open VFIO's files with O_CLOEXEC (fcntl F_DUPFD_CLOEXEC for those received over a socket) and unmap
        before execve. A live update that keeps them takes the addresses away before
        (VFIO_DMA_UNMAP_FLAG_VADDR) and supplies new ones afterwards.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        guard container.withoutMemory > 0, container.vaddrInvalid == 0, !container.isClosing(graph) else { return nil }
        return Verdict(severity: container.isHeld(graph) ? .low : .medium, actor: maker(container, graph))
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        let count = container.withoutMemory
        let name = maker(container, graph).map { "\(graph.displayName(for: $0)), pid \($0.process.pid)" } ?? "a process"
        return
            "\(count) of \(container.mappings(graph)) of \(container.id) \(count == 1 ? "was" : "were") made in an "
            + "address space that is gone "
            + "(\(name)): the pages stay pinned and open to the container's devices."
    }

    /// The maker of the first such mapping.
    private func maker(_ container: Container, _ graph: borrowing Graph) -> Actor? {
        for mapping in graph.mappings(in: container.id) where graph.isWithoutMemory(mapping) {
            return graph.actor(at: mapping.owner)
        }
        return nil
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A runs another program, and its mapping stays.", severity: .low) {
                $0.beginWithRAM()
                $0.at(1000, .processExec)
                $0.advance(to: 2000)
            },
            silent: .init(
                "VM A takes the addresses away, runs another program, and that supplies new ones: a live update."
            ) {
                $0.beginWithRAM()
                $0.unmapReturns(900, iova: 0, size: 0x40_0000, flags: UnmapRequest.vaddrFlag)
                $0.at(1000, .processExec)
                $0.at(1900, .map(MapRequest(iommu: Scene.i1, iova: 0, size: 0x40_0000, vaddrOnly: true)))
                $0.advance(to: 3000)
            })
    }
}
