import Events
import MappingGraph

/// D8: a process that made mappings which are in force has exited.
struct CreatorGone: ContainerRule {
    let slug = "creator-gone"
    let title = "Mappings outlive the process that made them"
    let severities = Severity.low...Severity.medium

    let explanation = """
        A process made DMA mappings and exited, and they are in force still, because somebody has the
        container or one of its groups or devices open: a parent, a child, a process that got the
        descriptor over a socket. The pages stay pinned, though no address space shows them any more.
        Locked memory stays charged to an mm that nobody uses.

        It is low while the process that opened the container, or one of its devices, is alive: a
        supervisor and its worker, a live update. It is medium when nobody of them is known to be.

        An exit is known if it was seen; who exited before tracing began is not. The time of a teardown
        does not count: an exit comes before the mappings' removal.

        False positives: programs that map in a helper process, and live updates that hand their
        descriptors on (then a snapshot finds the new holder, and it becomes low).
        """

    let kernelFacts = [
        "struct vfio_dma holds the task (its group leader) and the mm, which keeps neither from exiting (5.10 to 7.3).",
        "Accounting against a dead mm was wrong more than once: CVE-2019-3882, CVE-2022-48700, CVE-2023-53171.",
        "Up to 5.19 no other process can unmap them: vfio_dma_do_unmap stops at a mapping of another mm and returns 0.",
    ]

    let advice = """
        Have the process unmap what it mapped before it exits, or make the mappings in the process that keeps
        the container. To be rid of them, stop whoever has the container's groups and devices open.
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

    /// The one that made the first of them.
    private func creator(_ container: Container, _ graph: borrowing Graph) -> Actor? {
        for mapping in graph.mappings(in: container.id) {
            let actor = graph.actor(at: mapping.owner)
            if graph.hasExited(actor.process) { return actor }
        }
        return nil
    }
}
