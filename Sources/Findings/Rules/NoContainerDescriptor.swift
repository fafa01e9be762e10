import Events
import MappingGraph

/// D9b: nobody has a descriptor of the container, and its mappings stay.
struct NoContainerDescriptor: ContainerRule {
    let slug = "no-container-fd"
    let title = "Mappings are in force in a container that nobody has a descriptor of"
    let severities = Severity.medium...Severity.medium

    let explanation = """
        The last descriptor of a container was closed, and it lives on by a group that is attached: with
        all its mappings. Nobody can unmap them now, because VFIO_IOMMU_UNMAP_DMA needs that descriptor;
        they go when the last group is detached.

        It is said of a close that was seen. Descriptors in flight between processes, or held by io_uring,
        keep the container open, and no close is seen. While VFIO is closing a device of the container, or
        the container is being torn down, it does not count.

        False positive: a program that closes its descriptors in the order container, devices, groups, and
        takes longer than the debounce for that.
        """

    let kernelFacts = [
        "Closing the container file tears nothing down: each attached group holds the container (vfio_fops_release, "
            + "5.10 to 7.3).",
        "DMA through the mappings still worked after that close, on 5.10, 6.1, 6.12, 6.18 and 7.3.",
    ]

    let advice = """
        Unmap before closing the container, or close devices and groups first. To be rid of it, stop the
        process that has the groups.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        guard container.closed != nil, graph.mappingCount(in: container.id) > 0, !container.isClosing(graph) else {
            return nil
        }
        return Verdict(severity: .medium, actor: container.owner(graph))
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        let groups = container.groups.sorted().map(String.init).joined(separator: ", ")
        let kept = groups.isEmpty ? "" : ", kept by group \(groups)"
        return
            "\(container.holder(graph)) has \(container.mappings(graph)) in force\(kept), but its last descriptor is "
            + "closed: nobody can unmap them."
    }
}
