// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D16: devices are given away on a host that does not remap interrupts.
struct UnsafeInterrupts: ContainerRule {
    let slug = "unsafe-interrupts"
    let title = "Devices of a container can raise any interrupt of the host"
    let severities = Severity.high...Severity.high
    let condition = "a group with a PCI device is attached, and the host does not remap interrupts"
    let kernels = "all, on x86"

    let explanation = """
        A message-signalled interrupt is a DMA write to an address range that no IOMMU page table covers.
        Only interrupt remapping confines a device to its own interrupts. Without it, whoever controls a
        device can make it raise any vector on any CPU of the host, however well its memory is isolated.
        VFIO then refuses to attach a group, unless the administrator has set allow_unsafe_interrupts of
        vfio_iommu_type1.

        The rule reports each container that has a PCI device's group attached while the host does not
        remap interrupts. That the group could be attached shows that the parameter was set then, whatever
        it is now. The finding is about the host's configuration, and lasts as long as the container.

        The state is known on x86 only, from the names of the interrupt chips in /proc/interrupts.

        False positive: a host that trusts all its guests; declare that in a policy.
        """

    let kernelFacts = [
        "vfio_iommu_type1_attach_group fails with -EPERM unless interrupts are isolated or allow_unsafe_interrupts "
            + "is set (5.10 to 7.3).",
        "Isolated: irq_domain_check_msi_remap or IOMMU_CAP_INTR_REMAP up to 6.2, iommu_group_has_isolated_msi from "
            + "6.3 on.",
        "Remapped chips are called IR-IO-APIC and IR-PCI-MSI (arch/x86 and drivers/iommu, 5.10 to 7.3).",
    ]

    let advice = """
        Turn interrupt remapping on in the firmware (VT-d or AMD-Vi with interrupt remapping), remove
        intremap=off from the kernel's command line, and allow_unsafe_interrupts from the module's options.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        guard graph.remapsInterrupts == false, !container.groups.isEmpty, !container.isTearingDown else { return nil }
        // VFIO attaches groups of emulated devices (mdev) without this check.
        guard graph.devices(in: container).contains(where: { !$0.isRemoved }) else { return nil }
        return Verdict(severity: .high, actor: container.owner(graph))
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        let devices = graph.devices(in: container).filter { !$0.isBridge }.map(\.address.description)
        let names =
            devices.prefix(4).joined(separator: ", ") + (devices.count > 4 ? " and \(devices.count - 4) more" : "")
        return
            "\(container.holder(graph)) has \(names) on a host that does not remap interrupts, as "
            + "allow_unsafe_interrupts permits: these devices can raise any interrupt of the host."
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A attaches the GPU's group on a host that does not remap interrupts.", severity: .high) {
                $0.remapsInterrupts = false
                $0.beginWithRAM()
                $0.advance(to: 2000)
            },
            silent: .init("VFIO refuses the group, because allow_unsafe_interrupts is not set.") {
                $0.remapsInterrupts = false
                $0.at(1, .deviceInfo(Scene.gpuInfo), by: Scene.host)
                $0.at(2, .containerOpen(Scene.c1))
                $0.at(3, .groupAttach(Scene.gpuGroup, Scene.c1))
                $0.at(4, .iommuOpen(Scene.i1, type: 1, container: nil))
                $0.at(5, .iommuAttach(Scene.i1, group: Scene.gpuGroup, result: -Errno.eperm))
                $0.at(6, .iommuRelease(Scene.i1))
                $0.advance(to: 2000)
            })
    }
}
