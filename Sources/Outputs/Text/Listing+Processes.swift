// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// The processes that have memory pinned, how much of it, and how much they may pin.
extension Listing {
    func writeProcesses(_ graph: borrowing Graph, at time: UInt64, _ out: inout ByteWriter) {
        var isFirst = true
        for actor in graph.namedProcesses() {
            guard let capacity = graph.memoryCapacity(of: actor.process, at: time), capacity.pinnedBytes > 0 else {
                continue
            }
            if isFirst { out.endLine() }
            isFirst = false
            let info = graph.processInfo(for: actor.process)
            out.append("process \(who(actor, graph))  \(size: capacity.pinnedBytes) pinned")
            if let limit = capacity.limitBytes {
                out.append(" of \(size: limit) that it may lock")
            } else if let lock = info?.memoryLock {
                out.append(lock.isLifted ? ", no limit (CAP_IPC_LOCK)" : ", no limit")
            }
            out.append(exhaustion(capacity.exhaustedIn))
            if let info { names(info, &out) }
            out.endLine()
        }
    }

    private func names(_ info: ProcessInfo, _ out: inout ByteWriter) {
        if !info.cgroup.unit.isEmpty { out.append("  unit \(text: info.cgroup.unit)") }
        let container = info.cgroup.shortContainerID
        if !container.isEmpty { out.append("  container \(text: container)") }
        if !info.cgroup.pod.isEmpty { out.append("  pod \(text: info.cgroup.pod)") }
        if !info.vmUUID.isEmpty { out.append("  VM \(text: info.vmUUID)") }
    }

    /// `, full in 3 min 5 s at this rate`, where that is within an hour: a program that starts
    /// grows, too.
    func exhaustion(_ nanoseconds: UInt64?) -> OutputText {
        guard let nanoseconds, nanoseconds < 3_600_000_000_000 else { return "" }
        return ", full in \(duration: nanoseconds) at this rate"
    }
}
