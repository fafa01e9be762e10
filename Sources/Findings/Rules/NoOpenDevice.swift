// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D9: all of a container's devices are closed, and its mappings stay.
struct NoOpenDevice: ContainerRule {
    let slug = "no-open-device"
    let title = "A container keeps its mappings although all its devices are closed"
    let severities = Severity.medium...Severity.medium
    let condition = "it has mappings, and all its devices are closed, at least one since it got its IOMMU side"

    let explanation = """
        A container has mappings and groups, the devices of those groups were in use, and none of them is
        open now. Closing a device removes no mapping, and leaves the device attached to the container's
        IOMMU domain: whoever opens it next, or a device that still does DMA after its reset, reaches all
        that the container maps. RAM stays pinned and charged.

        One of the devices must have been open since the container got its IOMMU side, because a virtual
        machine monitor may map its RAM before it opens its first device. So the rule is silent about a
        container whose devices were closed before tracing began, and about one with a group that has no
        known PCI device (mediated devices). The time of a teardown does not count.

        False positive: a program that closes its only device and, on purpose, opens it again later.
        """

    let kernelFacts = [
        "Only detaching the last group removes the mappings (vfio_iommu_type1_detach_group, 5.10 to 7.3).",
        "The last close of a device does not detach its group (vfio_pci_core_close_device; 5.10: vfio_pci_release).",
    ]

    let advice = """
        Unmap everything, or take the group out of the container (VFIO_GROUP_UNSET_CONTAINER, or close its
        file), when the last device is closed.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        guard !container.groups.isEmpty, let linked = container.linked, !container.isTearingDown,
            graph.mappingCount(in: container.id) > 0
        else { return nil }
        var known: Set<UInt32> = []
        var wasOpen = false
        for device in graph.devices.values {
            guard let group = device.group, container.groups.contains(group) else { continue }
            if device.isOpen, !device.isRemoved { return nil }
            known.insert(group)
            if let closed = device.lastClosed, closed >= linked { wasOpen = true }
        }
        return wasOpen && known == container.groups ? Verdict(severity: .medium, actor: container.owner(graph)) : nil
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        let devices = graph.devices(in: container).map(\.address.description)
        let names =
            devices.prefix(4).joined(separator: ", ") + (devices.count > 4 ? " and \(devices.count - 4) more" : "")
        return
            "\(container.holder(graph)) has \(container.mappings(graph)), and nobody has a device of it open any more "
            + "(\(names)): "
            + "whoever opens one next does DMA through them."
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A closes its only device, the GPU, and keeps its RAM mapped.", severity: .medium) {
                $0.beginWithRAM()
                $0.at(10, .deviceFirstOpen(Scene.gpuUse))
                $0.at(1000, .deviceLastClose(Scene.gpuUse))
                $0.advance(to: 2000)
            },
            silent: .init("VM A maps its RAM a minute before it opens its first device.") {
                $0.beginWithRAM()
                $0.at(60_000, .deviceFirstOpen(Scene.gpuUse))
                $0.advance(to: 62_000)
            })
    }
}
