// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D18: a group of several functions is in a container, and its user does not have all of them
/// open.
struct SplitGroup: ContainerRule {
    let slug = "split-group"
    let title = "A group in a container has functions that its user does not have open"
    let severities = Severity.info...Severity.high
    let condition = "one of its groups has several functions (bridges do not count), and not all are open"
    let severityNote = "info; high while a host driver has one of them"
    let kernels = "all; high up to 5.18 only, because later kernels refuse it"

    let explanation = """
        An IOMMU group is the smallest unit that the IOMMU can tell apart: behind a conventional bridge, or
        a switch without ACS, it consists of several functions. Attaching the group puts all of them under
        the container's mappings, and they can reach each other without passing the IOMMU. Here at least
        one function of such a group (bridges do not count) is not open through VFIO: nobody resets it or
        watches it, and its remaining DMA goes into the container's memory.

        The severity is info, and the state is ordinary, while the other functions have no driver, one of
        VFIO's, or pci-stub. It is high once a driver of the host runs one of them: that driver's DMA and
        the container's then share one address space, each open to the other.

        False positive: a function that does no DMA, such as a serial port.
        """

    let kernelFacts = [
        "From 5.19 on VFIO owns an attached group: a host driver's probe then fails with -EBUSY "
            + "(iommu_device_use_default_domain), and SET_CONTAINER of a group that has one with -EPERM "
            + "(iommu_group_claim_dma_owner).",
        "Up to 5.18 SET_CONTAINER does not check the siblings' drivers: only opening a device is refused then, "
            + "with -EINVAL (vfio_group_viable).",
        "On 5.10 a host driver that binds while the group is in a container ends in a kernel BUG "
            + "(vfio_iommu_group_notifier).",
        "A bridge's driver is allowed in a group (vfio_dev_driver_allowed; driver_managed_dma from 5.19 on).",
    ]

    let advice = """
        Give all functions of the group to the same user, or bind the rest to vfio-pci or pci-stub. A slot
        of its own for the device, or ACS on the way to it, makes groups smaller.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        guard !container.groups.isEmpty, !container.isTearingDown else { return nil }
        var severity: Severity?
        for functions in groups(container, graph) where functions.contains(where: { !$0.isOpen }) {
            severity = max(severity ?? .info, functions.contains { $0.hasHostDriver } ? .high : .info)
        }
        return severity.map { Verdict(severity: $0, actor: container.owner(graph)) }
    }

    /// The functions of each group that has more than one.
    private func groups(_ container: Container, _ graph: borrowing Graph) -> [[Device]] {
        var functions: [UInt32: [Device]] = [:]
        for device in graph.devices(in: container) where !device.isRemoved && !device.isBridge {
            functions[device.group!, default: []].append(device)
        }
        return functions.filter { $0.value.count > 1 }.sorted { $0.key < $1.key }.map(\.value)
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        let groups = groups(container, graph)
        let split = groups.filter { $0.contains { !$0.isOpen } }
        let worst = split.first { $0.contains { $0.hasHostDriver } } ?? split.first ?? groups.first ?? []
        let others = worst.filter { !$0.isOpen }.prefix(4).map { "\($0.address) (\($0.driverText))" }
        let more = worst.count { !$0.isOpen } - others.count
        return
            "\(container.holder(graph)) has group \(worst.first?.group ?? 0) of \(worst.count) functions, which the "
            + "IOMMU cannot tell apart. These are not open: "
            + "\(others.joined(separator: ", "))\(more > 0 ? " and \(more) more" : ""). Their DMA goes into the "
            + "container's memory."
    }

    var proof: RuleProof {
        @Sendable func begin(_ it: inout HostHistory) {
            let sibling = Scene.info(Scene.nicSibling, group: Scene.nicGroup, bar: 0xf100_0000)
            it.at(1, .deviceInfo(Scene.nicInfo), by: Scene.host)
            it.at(1, .deviceInfo(sibling), by: Scene.host)
            it.at(2, .containerOpen(Scene.c1))
            it.attach(3, Scene.nicGroup)
            it.open(6, by: Scene.vmA)
        }
        return RuleProof(
            fires: .init(
                "VM A has one of the network card's two functions open, which are one group.", severity: .info
            ) {
                begin(&$0)
                $0.advance(to: 2000)
            },
            silent: .init("VM A has both open.") {
                begin(&$0)
                $0.at(100, .deviceFirstOpen(DeviceUse(device: Scene.nicSibling, group: Scene.nicGroup)))
                $0.advance(to: 2000)
            })
    }
}

extension Device {
    /// The driver in a finding's sentence.
    fileprivate var driverText: String {
        if !info.driver.isEmpty { return info.driver.string }
        return isDriverKnown ? "no driver" : "driver not known"
    }

    /// PCI base class 6. A bridge does no DMA that matters here, and VFIO allows its driver.
    var isBridge: Bool { info.classCode >> 16 == 0x06 }

    /// Whether a driver that is neither VFIO's nor pci-stub has it.
    var hasHostDriver: Bool { isDriverKnown && !info.driver.isEmpty && !info.driver.keepsForVFIO }
}
