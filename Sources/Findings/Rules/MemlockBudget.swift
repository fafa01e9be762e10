// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// A process has nearly as much memory pinned as it may lock.
struct MemlockBudget: ContainerRule, RuleWithThreshold {
    let slug = "memlock-budget"
    let title = "A process has nearly as much memory pinned as RLIMIT_MEMLOCK allows"
    let severities = Severity.low...Severity.low
    let condition =
        "the RAM that a process's mappings pin, in all its containers, is 95 % of its RLIMIT_MEMLOCK (or what a "
        + "policy sets), until 5 % less"
    let watchesMappingCount = true
    /// The graph asks at this mark: see `configure`.
    var threshold = Threshold(95, unit: "percent", allowed: 10...100)

    let explanation = """
        VFIO pins the pages of a mapping and charges them to the process that made it. Together with what
        else the process has locked they must not exceed its RLIMIT_MEMLOCK. Beyond that, VFIO_IOMMU_MAP_DMA
        fails with ENOMEM, which a virtual machine that gets memory or a device added sees as a failed
        hot-plug. The finding opens at 95 % (a policy may set another threshold) and resolves 5 % below
        that. If the memory grows, the message states how long it takes to reach the limit at the rate of
        the last four seconds.

        Each container counts separately: a page that a process maps in two of them is charged twice. This
        rule adds up all containers of a process; the finding names the one whose mapping reached the mark.
        A process with CAP_IPC_LOCK has no limit.

        What else the process has locked (mlock, io_uring) is charged too, but the tool does not see it, so
        the kernel may return ENOMEM earlier. The tool reads the limit when the process is first seen, when
        it opens a device or attaches a group, and when a map fails with ENOMEM.

        False positive: a limit that was chosen so that the program just fits.
        """

    let kernelFacts = [
        "vfio_pin_pages_remote compares mm->locked_vm and the new pages with RLIMIT_MEMLOCK, unless "
            + "vfio_dma.lock_cap (5.10 to 7.3).",
        "vfio_dma_do_map takes lock_cap from capable(CAP_IPC_LOCK), in the initial user namespace (5.10 to 7.3).",
        "Pages of a device's BAR are not charged: is_invalid_reserved_pfn (5.10 to 7.3).",
    ]

    let advice = """
        Raise the limit: LimitMEMLOCK= of the systemd unit, `<memtune><hard_limit>` of a libvirt domain,
        `--ulimit memlock=` of a container, `prlimit --memlock` for a process that runs. Or unmap what is
        not in use, and put devices that share memory into one container.
        """

    func configure(_ graph: inout Graph) { graph.memlockMarkPercent = Int(threshold.value) }

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        guard !container.isTearingDown else { return nil }
        return graph.nearMemoryLimit(in: container.id).map { Verdict(severity: .low, actor: $0) }
    }

    func message(_ container: Container, graph: borrowing Graph) -> String { message(container, graph: graph, at: 0) }

    func message(_ container: Container, graph: borrowing Graph, at time: UInt64) -> String {
        guard let actor = graph.nearMemoryLimit(in: container.id),
            let capacity = graph.memoryCapacity(of: actor.process, at: time),
            let limit = capacity.limitBytes
        else { return "" }
        return
            "\(graph.displayName(for: actor)) (pid \(actor.process.pid)) has \(exactAmount(capacity.pinnedBytes)) "
            + "pinned by mappings, "
            + "and may lock \(exactAmount(limit)): beyond that further maps fail with ENOMEM."
            + exhaustion(capacity.exhaustedIn)
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init("VM A has 4 MiB pinned and may lock 4300 KiB.", severity: .low) {
                $0.beginWithRAM()
                $0.describe(Scene.vmA, lock: MemoryLock(limit: 4300 << 10, isLifted: false), at: 1000)
                $0.advance(to: 2000)
            },
            silent: .init("The same with CAP_IPC_LOCK, which lifts the limit.") {
                $0.beginWithRAM()
                $0.describe(Scene.vmA, lock: MemoryLock(limit: 4300 << 10, isLifted: true), at: 1000)
                $0.advance(to: 2000)
            })
    }
}
