import ArgumentParser
import Events
import MappingGraph

/// Which lines `trace` shows. The graph and the rules see everything whatever is shown.
struct FilterOptions: ParsableArguments {
    @Option(help: "Only what this process does.") var pid: UInt32?
    @Option(help: "Only what processes of this name do, or this VM.") var comm: String?
    @Option(help: "Only this container (c1, c2, …).") var container: String?
    @Option(help: ArgumentHelp("Only this device.", valueName: "bdf")) var device: String?
    @Option(help: "Only this IOMMU group.") var group: UInt32?
    @Option(help: "Only this cgroup, by its id (the inode number of its directory).") var cgroup: UInt64?

    var isEmpty: Bool {
        pid == nil && comm == nil && container == nil && device == nil && group == nil && cgroup == nil
    }

    mutating func validate() throws {
        if let device, PCIAddress(device) == nil {
            throw ValidationError("'\(device)' is not a PCI address: it looks like 0000:02:00.0")
        }
        if let container, container.first != "c" || UInt32(container.dropFirst()) == nil {
            throw ValidationError("'\(container)' is not a container: it looks like c1")
        }
    }

    func shows(_ event: Event, _ applied: Applied, _ graph: borrowing Graph) -> Bool {
        if isEmpty { return true }
        if let pid, event.actor.process.pid != pid { return false }
        if let comm, event.actor.comm.string != comm, graph.displayName(for: event.actor) != comm { return false }
        if let cgroup, event.actor.cgroup != cgroup { return false }
        if let container, applied.container?.description != container { return false }
        if let device = device.flatMap({ PCIAddress($0) }), event.device != device {
            guard event.isMap, graph.lastTargets.contains(where: { $0.device == device }) else { return false }
        }
        if let group, !event.concerns(group: group, graph) { return false }
        return true
    }

    func shows(_ finding: FindingSubject, _ graph: borrowing Graph) -> Bool {
        if isEmpty { return true }
        if let pid, finding.actor.process.pid != pid, finding.deviceOwner?.process.pid != pid { return false }
        if let comm, graph.displayName(for: finding.actor) != comm, finding.actor.comm.string != comm { return false }
        if let cgroup, finding.actor.cgroup != cgroup, finding.deviceOwner?.cgroup != cgroup { return false }
        if let container, finding.container?.description != container { return false }
        // What is about a whole container is about the devices and groups in it.
        if let device = device.flatMap({ PCIAddress($0) }) {
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

/// The part of a finding that filters and scopes look at.
struct FindingSubject {
    var actor: Actor
    var deviceOwner: Actor?
    var container: ContainerID?
    var device: PCIAddress?
}

extension Event {
    var isMap: Bool { if case .map = kind { true } else { false } }

    /// The device that the event is about.
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
