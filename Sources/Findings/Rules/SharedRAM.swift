import Events
import MappingGraph

/// D7: two containers of two owners have the same memory mapped.
struct SharedRAM: ContainerRule {
    let slug = "shared-ram"
    let title = "Two containers of two owners have the same memory mapped"
    let severities = Severity.low...Severity.high

    let explanation = """
        The same shared memory is mapped for DMA in two containers, and two processes made the mappings:
        what a device of one container writes, the other's devices and owner read. Told of the container
        that mapped it later.

        Memory is told by its file and the place in it, as the kernel has it where a mapping begins: a named
        file (hugetlbfs, /dev/shm, SysV), a memfd, or shared anonymous memory, which has a file that nobody
        can open. Private memory is never shared.

        It is low for a file or a memfd: somebody has opened it or passed it on, as vhost-user, virtiofs and
        ivshmem do on purpose. Shared anonymous memory comes by fork alone. It is low between processes of
        one user, and high between two users: a process has dropped its privileges or changed hands and
        kept memory that devices write.

        False positives: every vhost-user back end that uses VFIO for devices of its own. And a file of which
        each of two owners uses parts that lie between the other's: of each only the first and the last
        byte are kept.
        """

    let kernelFacts = [
        "vfio_pin_pages_remote pins whatever page the address leads to, and asks nothing about who else has it (5.10 "
            + "to 7.3).",
        "shmem_zero_setup and memfd_create keep their pages in files \"dev/zero\" and \"memfd:NAME\" (5.10 to 7.3).",
        "Merged pages (KSM) are parted before they are pinned for writing (5.10 to 7.3).",
    ]

    let advice = """
        Where it is by design, let a policy allow it for these commands or VMs. Else map memory of one's own
        (MAP_PRIVATE, or a memfd that is not passed on), and unmap what a child should not have.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        guard let worst = worst(container, graph) else { return nil }
        return Verdict(severity: severity(worst), actor: worst.maker)
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        guard let common = worst(container, graph) else { return "" }
        let memory =
            switch common.kind {
            case .file: "of a file (inode \(common.inode))"
            case .memfd: "of a memfd (inode \(common.inode))"
            case .anonymous: "of shared anonymous memory"
            }
        func who(_ actor: Actor) -> String { "\(graph.displayName(for: actor)), pid \(actor.process.pid)" }
        return
            "\(amount(common.bytes)) \(memory) are mapped in \(container.id) (\(who(common.maker))) and in "
            + "\(common.other) (\(who(common.otherMaker)))"
            + (areOfTwoUsers(common) ? ", of two users" : "") + ": their devices share that memory."
    }

    /// The first of the highest severity.
    private func worst(_ container: Container, _ graph: borrowing Graph) -> CommonMemory? {
        let all = graph.commonMemory(of: container.id)
        return all.first { severity($0) == .high } ?? all.first
    }

    private func severity(_ common: CommonMemory) -> Severity {
        common.kind == .anonymous && areOfTwoUsers(common) ? .high : .low
    }

    private func areOfTwoUsers(_ common: CommonMemory) -> Bool { common.maker.uid != common.otherMaker.uid }
}
