// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D8: a process that made mappings has exited, and they are still in force.
struct CreatorGone: ContainerRule {
    let slug = "creator-gone"
    let title = "Mappings outlive the process that made them"
    let severities = Severity.low...Severity.medium
    let condition = "mappings are in force whose maker has exited"
    let severityNote = "medium; low while the container's opener or a user of its devices lives"

    let explanation = """
        A process made DMA mappings and exited, and they are still in force, because somebody has the
        container or one of its groups or devices open: a parent, a child, a process that received the
        descriptor over a socket. The pages stay pinned, although no address space contains them any more.
        Locked memory stays charged to an mm that nobody uses.

        The severity is low while the process that opened the container, or one of its devices, is alive: a
        supervisor and its worker, or a live update. It is medium if none of them is known to be alive.

        Only an exit that was seen counts, not one before tracing began. The time of a teardown does not
        count: there an exit precedes the removal of the mappings.

        False positives: programs that map in a helper process, and live updates that hand their
        descriptors on (then a snapshot finds the new holder, and the severity becomes low).
        """

    let kernelFacts = [
        "struct vfio_dma holds the task (its group leader) and the mm, and neither reference keeps the process "
            + "from exiting (5.10 to 7.3).",
        "Accounting against a dead mm was wrong more than once: CVE-2019-3882, CVE-2022-48700, CVE-2023-53171.",
        "Up to 5.19 no other process can unmap them: vfio_dma_do_unmap stops at a mapping of another mm and "
            + "returns 0.",
    ]

    let advice = """
        Have the process unmap what it mapped before it exits, or make the mappings in the process that
        keeps the container. To remove them, stop whoever has the container's groups and devices open.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        guard container.abandoned > 0, !container.isClosing(graph) else { return nil }
        return Verdict(severity: container.isHeld(graph) ? .low : .medium, actor: creator(container, graph))
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        let count = container.abandoned
        let name =
            creator(container, graph).map { "\(graph.displayName(for: $0)), pid \($0.process.pid)" } ?? "a process"
        return
            "\(count) of \(container.mappings(graph)) of \(container.id) \(count == 1 ? "was" : "were") made by a "
            + "process that has exited "
            + "(\(name)): the pages stay pinned and open to the container's devices."
    }

    /// The maker of the first such mapping.
    private func creator(_ container: Container, _ graph: borrowing Graph) -> Actor? {
        for mapping in graph.mappings(in: container.id) {
            let actor = graph.actor(at: mapping.owner)
            if graph.hasExited(actor.process) { return actor }
        }
        return nil
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A exits, and its mapping stays.", severity: .medium) {
                $0.beginWithRAM()
                $0.at(1000, .processExit)
                $0.advance(to: 2000)
            },
            silent: .init("VM B exits after it has unmapped what it had mapped in the same container.") {
                $0.beginWithRAM()
                $0.mapRAM(100, iova: 0x1000_0000, by: Scene.vmB)
                $0.remove(900, iova: 0x1000_0000, by: Scene.vmB)
                $0.at(1000, .processExit, by: Scene.vmB)
                $0.advance(to: 2000)
            })
    }
}
