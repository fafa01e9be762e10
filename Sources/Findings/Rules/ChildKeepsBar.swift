// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D11: a process has a BAR in its page table without vfio-pci's knowledge, so the BAR stays there
/// when the kernel takes it away.
struct ChildKeepsBar: AreaRule {
    let slug = "child-keeps-bar"
    let title = "A process keeps a BAR that the kernel cannot take away from it"
    let severities = Severity.medium...Severity.high
    let condition =
        "it is in the page table of a process where the kernel's zap does not reach it: copied by fork, or moved "
        + "by mremap"
    let severityNote = "medium; high while the device does not answer"
    let kernels =
        "5.17 to 6.9, if they copy a page table after vm_ops->open (the fix of CVE-2024-27022, as in Debian's "
        + "6.1); by mremap: all of these"

    let explanation = """
        While a device's memory is disabled, in reset or asleep, no CPU may touch its BARs: the access goes
        nowhere, and on many machines ends as a machine check for the whole host. So VFIO first removes the
        BARs from the page tables of its users; their next access gets SIGBUS (CVE-2020-12888).

        Before Linux 6.10 vfio-pci does so by a list of the areas that were touched. Some kernels copy a
        parent's page table to a forked child after VFIO's handler has run. Then the child has the BAR, is
        not on the list, and keeps the BAR. The same is true for an area that mremap has moved.

        The severity is medium while the device answers: the BAR will stay when it is taken away from
        everyone else. It is high while the device does not answer: an access by that process still reaches
        it.

        The tool scans the process's page table and the list twice, 100 ms apart: after each copy of an
        area, after each zap, with each snapshot, and about once a second as long as anything is kept. So
        the finding resolves up to a second after the process has let go, or has exited.

        False positives: none known. A child that never touches the BAR is not one: it could.
        """

    let kernelFacts = [
        "vfio_pci_zap_and_down_write_memory_lock goes through vdev->vma_list (5.8 to 6.9); unmap_mapping_range "
            + "finds every area (aac6db75a9fc, 6.10).",
        "Only vfio_pci_mmap_fault puts an area on the list; vfio_pci_mmap_open zaps the copy instead.",
        "dup_mmap calls vm_ops->open before copy_page_range since \"fork: defer linking file vma until vma is "
            + "fully initialized\" (CVE-2024-27022, 6.9 and stable; Debian's 6.1.0-56 has it), which undoes that "
            + "zap.",
        "move_vma calls vm_ops->open before it moves the page table's entries.",
    ]

    let advice = """
        Run a kernel from 6.10 on, or one without that backport. Otherwise keep BARs away from children:
        call madvise with MADV_DONTFORK where they are mapped, or use vfork and posix_spawn instead of
        fork. munmap in the child ends it.
        """

    func evaluate(_ area: KeptArea, graph: borrowing Graph) -> Verdict? {
        guard let device = graph.device(area.device), !device.isRemoved else { return nil }
        let owner = device.opener.flatMap { $0 != Actor() && $0.process != area.holder.process ? $0 : nil }
        return Verdict(
            severity: device.isReachable ? .medium : .high, reachable: device.isReachable, deviceOwner: owner,
            actor: area.holder)
    }

    func message(_ area: KeptArea, graph: borrowing Graph) -> String {
        guard let device = graph.device(area.device) else { return "A process keeps a BAR of \(area.device)." }
        let who = "\(graph.displayName(for: area.holder)), pid \(area.holder.process.pid)"
        let place = device.placeName(
            bar: area.bar, offset: area.barOffset, size: area.size, of: device.info.bars[Int(area.bar)].size,
            begins: false)
        guard let reason = device.unreachableReason else {
            return
                "\(who), keeps \(place) where the kernel cannot take it away: it stays there when the device is "
                + "disabled, reset or put to sleep."
        }
        return
            "\(who), still has \(place), which the kernel has not taken away from it, though \(reason): an access by "
            + "it reaches a device that does not answer, "
            + "which can be fatal for the host."
    }

    var proof: RuleProof {
        let child = Scene.actor(150, "helper")
        let keptBar = Event.Kind.keptBar(
            KeptBar(device: Scene.nic, address: Scene.nicBar, size: Scene.barSize, isKept: true))
        return RuleProof(
            fires: .init(
                "A child of VM A has the network card's BAR in its page table, out of the kernel's reach.",
                severity: .medium
            ) {
                $0.beginPeerToPeer()
                $0.at(1000, keptBar, by: child)
                $0.advance(to: 2000)
            },
            silent: .init("The child runs another program 400 ms later, as fork and exec do.") {
                $0.beginPeerToPeer()
                $0.at(1000, keptBar, by: child)
                $0.at(1400, .processExec, by: child)
                $0.advance(to: 2000)
            })
    }
}
