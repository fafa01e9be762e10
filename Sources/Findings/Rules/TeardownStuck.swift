// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// D9c: the teardown of a container does not come to its end.
struct TeardownStuck: ContainerRule {
    let slug = "teardown-stuck"
    let title = "The teardown of a container has not ended for minutes"
    let severities = Severity.medium...Severity.medium
    let condition = "its processes have exited, no device of it is open, and for two minutes its mappings stay"
    let patienceNanoseconds: UInt64 = 120_000_000_000

    let explanation = """
        The processes that held a container have exited, none of its devices is open, and its mappings are
        still in force two minutes later. While a container is torn down, its mappings of device memory are
        no findings, because nothing can start a DMA through them: closing a device resets it, which takes
        up to seconds for each, and unpinning a terabyte of RAM takes tens of seconds. A teardown that takes
        minutes is stuck, and what it still maps is reported here.

        Usually a thread of the exiting process hangs in the kernel, in the reset of a device that does not
        answer. Or a descriptor of the container or of its group lives on where no process shows it: in
        flight in a socket, or held by the kernel.

        False positive: a host with so much memory to unpin that it takes more than two minutes.
        """

    let kernelFacts = [
        "Descriptors are closed in do_exit, after the process's exit has been reported (sched_process_exit), one "
            + "after the other (5.10 to 7.3).",
        "Mappings are removed when the last group is detached (vfio_iommu_type1_detach_group), after all devices "
            + "were closed (5.10 to 7.3).",
    ]

    let advice = """
        Look for a task that does not end (`ps -eo pid,stat,wchan:32,comm` shows D or Z) and at the kernel's log
        for a device that does not answer its reset. Do not give the devices of the container to anyone
        before it is gone.
        """

    func evaluate(_ container: Container, isHolding: Bool, graph: borrowing Graph) -> Verdict? {
        guard graph.mappingCount(in: container.id) > 0, graph.dmaReach(of: container.id) == .ending else { return nil }
        return Verdict(severity: .medium, actor: container.owner(graph))
    }

    func message(_ container: Container, graph: borrowing Graph) -> String {
        "\(container.holder(graph)) still has \(container.mappings(graph)) in force, although its processes have "
            + "exited and no device of it is open."
    }

    var proof: RuleProof {
        RuleProof(
            fires: .init(
                "VM A exits, the card is closed, and three minutes later the mapping is there.", severity: .medium
            ) {
                $0.beginPeerToPeer()
                $0.at(1000, .processExit)
                $0.close(1100)
                $0.at(1200, .deviceLastClose(Scene.gpuUse))
                $0.advance(to: 180_000)
            },
            silent: .init("The same, but the mapping is removed after a minute.") {
                $0.beginPeerToPeer()
                $0.at(1000, .processExit)
                $0.close(1100)
                $0.at(1200, .deviceLastClose(Scene.gpuUse))
                $0.unmap(61_000)
                $0.advance(to: 180_000)
            })
    }
}
