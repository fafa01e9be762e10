// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D9b: nobody has a descriptor of the container, and its mappings stay.
struct NoContainerDescriptor: ContainerRule {
    let slug = "no-container-fd"
    let title = "Mappings are in force in a container that nobody has a descriptor of"
    let severities = Severity.medium...Severity.medium
    let condition = "it has mappings, and its last descriptor is closed"

    let explanation = """
        The last descriptor of a container was closed, and an attached group keeps the container alive with
        all its mappings. Nobody can unmap them now, because VFIO_IOMMU_UNMAP_DMA needs that descriptor.
        They go when the last group is detached.

        Only a close that was seen is reported. Descriptors in flight between processes, or held by
        io_uring, keep the container open, and then there is no close. The time in which VFIO closes a
        device of the container, or the container is torn down, does not count.

        False positive: a program that closes its descriptors in the order container, devices, groups, and
        takes longer than the debounce to do so.
        """

    let kernelFacts = [
        "Closing the container file tears nothing down: each attached group holds the container "
            + "(vfio_fops_release, 5.10 to 7.3).",
        "DMA through the mappings still worked after that close, on 5.10, 6.1, 6.12, 6.18 and 7.3.",
    ]

    let advice = """
        Unmap before closing the container, or close devices and groups first. To remove the mappings, stop
        the process that has the groups.
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

    var proof: RuleProof {
        RuleProof(
            fires: .init(
                "VM A closes the container's last descriptor; the GPU's group keeps the mappings.", severity: .medium
            ) {
                $0.beginWithRAM()
                $0.at(1000, .containerClose(Scene.c1))
                $0.advance(to: 2000)
            },
            silent: .init("VM A exits, and VFIO resets the GPU for two seconds before the mappings go.") {
                $0.beginWithRAM()
                $0.at(10, .deviceFirstOpen(Scene.gpuUse))
                $0.at(1000, .containerClose(Scene.c1))
                $0.at(1100, .deviceClose(DeviceUse(device: Scene.gpu, group: Scene.gpuGroup, openCount: 0)))
                $0.at(1101, .reset(Scene.gpu, phase: .begin, wholeBus: false))
                $0.at(3101, .reset(Scene.gpu, phase: .end, wholeBus: false))
                $0.at(3102, .deviceLastClose(Scene.gpuUse))
                $0.at(3103, .iommuRelease(Scene.i1))
                $0.advance(to: 5000)
            })
    }
}
