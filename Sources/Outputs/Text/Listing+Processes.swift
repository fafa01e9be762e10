import Events
import MappingGraph

extension Listing {
    /// Who has memory pinned, and how much it may.
    func writeProcesses(_ graph: borrowing Graph, at time: UInt64, _ out: inout ByteWriter) {
        var isFirst = true
        for actor in graph.namedProcesses() {
            guard let capacity = graph.memoryCapacity(of: actor.process, at: time), capacity.pinnedBytes > 0 else {
                continue
            }
            if isFirst { out.endLine() }
            isFirst = false
            out.append("process ")
            out.append(plain: graph.displayName(for: actor))
            out.append(" (pid ")
            out.append(actor.process.pid)
            out.append(")  ")
            out.append(size: capacity.pinnedBytes)
            out.append(" pinned")
            let info = graph.processInfo(for: actor.process)
            if let limit = capacity.limitBytes {
                out.append(" of ")
                out.append(size: limit)
                out.append(" that it may lock")
            } else if let lock = info?.memoryLock {
                out.append(lock.isLifted ? ", no limit (CAP_IPC_LOCK)" : ", no limit")
            }
            exhaustion(capacity.exhaustedIn, &out)
            if let info {
                name("unit ", info.cgroup.unit, &out)
                name("container ", info.cgroup.shortContainerID, &out)
                name("pod ", info.cgroup.pod, &out)
                name("VM ", info.vmUUID, &out)
            }
            out.endLine()
        }
    }

    private func name(_ what: StaticString, _ value: String, _ out: inout ByteWriter) {
        guard !value.isEmpty else { return }
        out.append("  ")
        out.append(what)
        out.append(plain: value)
    }

    /// Only where it is soon: a program that starts grows, too.
    func exhaustion(_ nanoseconds: UInt64?, _ out: inout ByteWriter) {
        guard let nanoseconds, nanoseconds < 3_600_000_000_000 else { return }
        out.append(", full in ")
        out.append(duration: nanoseconds)
        out.append(" at this rate")
    }
}
