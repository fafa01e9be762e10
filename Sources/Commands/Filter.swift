// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// Which events and findings a command shows. A condition that is nil holds for all. The filter
/// does not affect the graph and the rules, which see every event.
package struct Filter: Equatable {
    package var pid: UInt32?
    /// A thread's name, or a VM's.
    package var comm: String?
    package var container: ContainerID?
    package var device: PCIAddress?
    package var group: UInt32?
    /// By its id, the inode number of its directory.
    package var cgroup: UInt64?

    package init() {}

    package var isEmpty: Bool { self == Filter() }

    package func shows(_ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph) -> Bool {
        if let pid, event.actor.process.pid != pid { return false }
        if let comm, event.actor.comm.string != comm, graph.displayName(for: event.actor) != comm { return false }
        if let cgroup, event.actor.cgroup != cgroup { return false }
        if let container, applied.container != container { return false }
        if let device, event.device != device {
            guard event.isMap, applied.targets.contains(where: { $0.device == device }) else { return false }
        }
        if let group, !event.concerns(group: group, graph) { return false }
        return true
    }

    package func shows(_ finding: Finding, _ graph: borrowing Graph) -> Bool {
        if let pid, finding.actor.process.pid != pid, finding.deviceOwner?.process.pid != pid { return false }
        if let comm, graph.displayName(for: finding.actor) != comm, finding.actor.comm.string != comm { return false }
        if let cgroup, finding.actor.cgroup != cgroup, finding.deviceOwner?.cgroup != cgroup { return false }
        if let container, finding.container != container { return false }
        // A finding about a whole container concerns all its devices and groups.
        if let device {
            guard
                finding.device == device
                    || (finding.device == nil && isIn(finding.container, graph.containerID(of: device)))
            else { return false }
        }
        if let group {
            let itsGroup = finding.device.flatMap { graph.device($0)?.group }
            guard
                itsGroup == group || (finding.device == nil && isIn(finding.container, graph.groups[group]?.container))
            else { return false }
        }
        return true
    }

    private func isIn(_ container: ContainerID?, _ other: ContainerID?) -> Bool {
        container != nil && container == other
    }
}

extension Event {
    var isMap: Bool { if case .map = kind { true } else { false } }

    /// The device that the event concerns.
    var device: PCIAddress? {
        switch kind {
        case .deviceOpen(let use), .deviceClose(let use), .deviceFirstOpen(let use), .deviceLastClose(let use):
            use.device
        case .barMmap(let mmap): mmap.device
        case .keptBar(let kept): kept.device
        case .dmaBuf(let buffer): buffer.device
        case .deviceInfo(let info), .driverBind(let info), .driverUnbind(let info), .barsAssigned(let info): info.device
        case .deviceRemove(let device), .memoryDecode(let device, _, _), .reset(let device, _, _),
            .power(let device, _, _):
            device
        default: nil
        }
    }

    func concerns(group wanted: UInt32, _ graph: borrowing Graph) -> Bool {
        switch kind {
        case .groupOpen(let group), .groupClose(let group), .groupAttach(let group, _), .groupDetach(let group, _),
            .iommuAttach(_, let group, _):
            group == wanted
        default: device.map { graph.device($0)?.group == wanted } ?? false
        }
    }
}
