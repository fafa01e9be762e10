// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D7: two containers of two owners have the same memory mapped.
struct SharedRAM: ContainerRule {
    let slug = "shared-ram"
    let title = "Two containers of two owners have the same memory mapped"
    let severities = Severity.low...Severity.high
    let condition = "it has shared memory mapped that another owner's container mapped before"
    let severityNote = "low; high for shared anonymous memory of two users"

    let explanation = """
        The same shared memory is mapped for DMA in two containers, and two processes made the mappings:
        what a device of one container writes, the other's devices and owner read. The finding belongs to
        the container that mapped the memory later.

        Memory is identified by its file and the offset in it, as the kernel has them at the beginning of a
        mapping: a named file (hugetlbfs, /dev/shm, SysV), a memfd, or shared anonymous memory, which has a
        file that nobody can open. Private memory is never shared.

        The severity is low for a file or a memfd: somebody has opened it or passed it on, as vhost-user,
        virtiofs and ivshmem do on purpose. Shared anonymous memory only comes by fork. There the severity
        is low between processes of one user, and high between two users: a process has dropped its
        privileges or changed hands and kept memory that devices write.

        False positives: every vhost-user back end that uses VFIO for devices of its own. Also a file of
        which two owners use interleaved parts: for each owner only the first and the last byte are kept.
        """

    let kernelFacts = [
        "vfio_pin_pages_remote pins whatever page the address leads to, and does not check who else has it (5.10 "
            + "to 7.3).",
        "shmem_zero_setup and memfd_create keep their pages in files \"dev/zero\" and \"memfd:NAME\" (5.10 to 7.3).",
        "Merged pages (KSM) are separated before they are pinned for writing (5.10 to 7.3).",
    ]

    let advice = """
        Where it is by design, let a policy allow it for these commands or virtual machines. Otherwise map
        private memory (MAP_PRIVATE, or a memfd that is not passed on), and unmap what a child should not
        have.
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

    /// The first one with the highest severity.
    private func worst(_ container: Container, _ graph: borrowing Graph) -> CommonMemory? {
        let all = graph.commonMemory(of: container.id)
        return all.first { severity($0) == .high } ?? all.first
    }

    private func severity(_ common: CommonMemory) -> Severity {
        common.kind == .anonymous && areOfTwoUsers(common) ? .high : .low
    }

    private func areOfTwoUsers(_ common: CommonMemory) -> Bool { common.maker.uid != common.otherMaker.uid }

    var proof: RuleProof {
        @Sendable func map(_ side: IOMMUKey, offset: UInt64) -> Event.Kind {
            var map = MapRequest(iommu: side, iova: 0x1000_0000, size: 0x10_0000)
            map.backing = Backing(kind: .memfd, device: 5, inode: 7, offset: offset)
            return .map(map)
        }
        @Sendable func begin(_ it: inout HostHistory) {
            it.beginWithRAM()
            it.at(10, .containerOpen(Scene.c2), by: Scene.vmB)
            it.attach(11, Scene.nicGroup, to: Scene.c2, side: Scene.i2, by: Scene.vmB)
            it.at(100, map(Scene.i1, offset: 0))
        }
        return RuleProof(
            fires: .init("VM A and VM B map the same part of a memfd, each in its own container.", severity: .low) {
                begin(&$0)
                $0.at(1000, map(Scene.i2, offset: 0), by: Scene.vmB)
                $0.advance(to: 2000)
            },
            silent: .init("VM B maps the part of the memfd that follows VM A's.") {
                begin(&$0)
                $0.at(1000, map(Scene.i2, offset: 0x10_0000), by: Scene.vmB)
                $0.advance(to: 2000)
            })
    }
}
