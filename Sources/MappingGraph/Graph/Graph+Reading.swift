// SPDX-License-Identifier: Apache-2.0
import Events

/// Queries of the graph, for rules and outputs.
extension Graph {
    // MARK: Containers

    /// All containers, including those that are gone, in order of appearance.
    public var allContainers: some RandomAccessCollection<Container> { slots.lazy.map(\.container) }

    /// The containers that are alive, in order of appearance. O(*n*) in all containers, including
    /// those that are gone.
    public var containers: [Container] { slots.lazy.map(\.container).filter(\.isAlive) }

    /// O(1).
    public func container(_ id: ContainerID) -> Container? { slot(of: id).map { slots[$0].container } }

    /// The container of an IOMMU side that has not been released. O(1).
    public func container(for iommu: IOMMUKey) -> Container? { byIOMMU[iommu].map { slots[$0].container } }

    /// The present generation of a container. O(1).
    public func container(for key: ContainerKey) -> Container? { byKey[key].map { slots[$0].container } }

    /// O(1), without a hash for the same one as in the previous call.
    public func containerID(for iommu: IOMMUKey) -> ContainerID? {
        if cachedSlot >= 0, cachedIOMMU == iommu { return ContainerID(UInt32(cachedSlot + 1)) }
        return byIOMMU[iommu].map { ContainerID(UInt32($0 + 1)) }
    }

    /// The container that a device's group is in, as far as it is known. O(1).
    public func containerID(of device: PCIAddress) -> ContainerID? {
        guard let group = devices[device]?.group else { return nil }
        return groups[group]?.container
    }

    private func slot(of id: ContainerID) -> Int? {
        id.number > 0 && Int(id.number) <= slots.count ? Int(id.number) - 1 : nil
    }

    // MARK: Devices

    public func device(_ address: PCIAddress) -> Device? { devices[address] }

    /// The devices of a container's groups, by address. O(devices).
    public func devices(in container: Container) -> [Device] {
        devices.values.filter { $0.group.map(container.groups.contains) ?? false }.sorted { $0.address < $1.address }
    }

    // MARK: Mappings

    /// The mappings in ascending order of IOVA. Later events do not change the returned value.
    /// O(1).
    public func mappings(in id: ContainerID) -> MappingIndex { slot(of: id).map { slots[$0].index } ?? MappingIndex() }

    /// O(1).
    public func mappingCount(in id: ContainerID) -> Int { slot(of: id).map { slots[$0].index.count } ?? 0 }

    /// Bytes. O(1).
    public func mappedBytes(in id: ContainerID) -> UInt64 { slot(of: id).map { slots[$0].bytes } ?? 0 }

    /// Whether any mapping is in force. O(containers).
    public var hasMappings: Bool { slots.contains { !$0.index.isEmpty } }

    /// The mapping that contains the byte at `iova`. O(log *n*).
    public func mapping(at iova: UInt64, in id: ContainerID) -> Mapping? {
        slot(of: id).flatMap { slots[$0].index.floor(iova) }
    }

    /// The highest mapping that has a byte in `first` … `last`. O(log *n*).
    public func mapping(overlapping first: UInt64, _ last: UInt64, in id: ContainerID) -> Mapping? {
        guard first <= last else { return nil }
        return slot(of: id).flatMap { slots[$0].index.overlapping(first, last) }
    }

    // MARK: Peer mappings

    /// The peer mappings in force, in order of creation. O(*n* log *n*).
    public var peerMappings: [PeerMapping] { peers.values.sorted { $0.id < $1.id } }

    public var peerMappingCount: Int { peers.count }

    /// A peer mapping that is in force. O(1).
    public func peer(_ id: UInt32) -> PeerMapping? { peers[id] }

    /// The peer mappings in force that lead to a device, in order of creation. O(matches).
    public func peers(targeting device: PCIAddress) -> [PeerMapping] {
        peerIDs(targeting: device).compactMap { peers[$0] }
    }

    /// The `PeerMapping.id` of the mappings in force that lead to a device, ascending. O(1).
    public func peerIDs(targeting device: PCIAddress) -> [UInt32] { peersByDevice[device] ?? [] }

    /// The `PeerMapping.id` of the mappings in force in containers that satisfy a condition,
    /// ascending. O(peer mappings); the condition is asked once for each container.
    public func peerIDs(in wanted: (ContainerID) -> Bool) -> [UInt32] {
        var answers: [ContainerID: Bool] = [:]
        var ids: [UInt32] = []
        for (id, peer) in peers {
            let isWanted = answers[peer.container] ?? wanted(peer.container)
            answers[peer.container] = isWanted
            if isWanted { ids.append(id) }
        }
        return ids.sorted()
    }

    /// The devices that any mapping in force leads to, in no particular order.
    public var targetedDevices: [PCIAddress] { peersByDevice.compactMap { $0.value.isEmpty ? nil : $0.key } }

    /// The BARs in which `size` bytes from a physical address lie: pieces in ascending order,
    /// without a device where there is no BAR. Their `iova` counts from 0.
    public func resolve(address: UInt64, size: UInt64) -> Few<Target> {
        var targets = Few<Target>()
        let table = isBarTableStale ? BarTable(devices.values) : barTable
        table.resolve(address: address, size: size, iova: 0, into: &targets)
        return targets
    }

    /// The BARs that now lie at the physical addresses to which a part of a mapping leads, in
    /// ascending order; none if the part's device was never known.
    public func residents(_ peer: PeerMapping, at index: Int) -> [Target] {
        guard peer.bars[index].size > 0 else { return [] }
        return resolve(
            address: peer.bars[index].address &+ peer.targets[index].barOffset, size: peer.targets[index].size
        ).filter { $0.device != nil }
    }

    // MARK: Processes

    /// Whether a process that used VFIO was seen to exit. O(1).
    public func hasExited(_ process: ProcessKey) -> Bool { exited.contains(process) }

    /// Whether it is known who an actor is, and that its process has exited. O(1).
    public func hasExited(_ actor: Actor?) -> Bool {
        guard let actor, actor != Actor() else { return false }
        return exited.contains(actor.process)
    }

    /// The creator of a mapping, see `Mapping.owner`.
    public func actor(at index: UInt32) -> Actor { actors[index] }

    /// Whether the address space in which the mapping was made is gone, although its maker is not
    /// known to have exited. O(1).
    public func isWithoutMemory(_ mapping: Mapping) -> Bool { actors.state(mapping.owner) == .memoryGone }

    public func processInfo(for process: ProcessKey) -> ProcessInfo? { processes[process] }

    /// The name that users know, see `ProcessInfo.title`; else the command's name, else its pid.
    public func displayName(for actor: Actor) -> String {
        if let title = processes[actor.process]?.title, !title.isEmpty { return title }
        return actor.comm.isEmpty ? "pid \(actor.process.pid)" : actor.comm.string
    }

    /// Whether two actors are the same owner: the same process, two processes of one VM (a live
    /// update), or two processes in one container of a container runtime.
    ///
    /// If both have UUIDs, these decide; otherwise, if both have names, those decide, because one
    /// container can run the VMs of many owners. O(1).
    public func isSamePrincipal(_ a: Actor, _ b: Actor) -> Bool {
        if a.process == b.process { return true }
        guard let first = processes[a.process], let second = processes[b.process] else { return false }
        if !first.vmUUID.isEmpty, !second.vmUUID.isEmpty { return first.vmUUID == second.vmUUID }
        if !first.vm.isEmpty, !second.vm.isEmpty { return first.vm == second.vm }
        return !first.cgroup.containerID.isEmpty && first.cgroup.containerID == second.cgroup.containerID
    }
}
