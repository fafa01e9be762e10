// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// One part of a mapping that leads to a device, and the present relation of the two: what exposure
/// rules judge.
public struct Exposure: Sendable {
    public let peer: PeerMapping
    public let target: Target
    /// Position of `target` in `peer.targets`.
    public let index: Int
    public let device: Device
    /// The container that the device's group is in, if known.
    public let deviceContainer: ContainerID?
    public let standing: Standing
    /// Whether a device of the mapping's container can start a DMA.
    public let reach: DMAReach

    /// What happened to the device. Exactly one case holds, so rules on different cases exclude
    /// each other.
    public enum Standing: Sendable, Equatable {
        /// Open in the mapping's container, or in an unknown one: ordinary peer-to-peer DMA.
        case shared
        /// Open in another container, by the mapping's own principal.
        case sameOwnerElsewhere
        /// Open in another container, by someone else, since before the mapping was made.
        case otherOwnerElsewhere
        /// Open by someone else, outside the mapping's container, since after the mapping was made.
        case givenAway
        /// A driver of the host has it.
        case hostDriver
        /// Closed, and its driver keeps it for VFIO.
        case closed
        /// No driver has it.
        case unbound
        /// Gone from the bus.
        case removed
        /// The BAR has another physical address than the mapping leads to; or the device is gone
        /// from the bus, and another device's BAR lies at its address.
        case moved
    }

    /// nil if the target's device is not known.
    public init?(_ peer: PeerMapping, index: Int, reach: DMAReach, graph: borrowing Graph) {
        let target = peer.targets[index]
        guard let address = target.device, let device = graph.device(address) else { return nil }
        self.peer = peer
        self.target = target
        self.index = index
        self.reach = reach
        self.device = device
        deviceContainer = graph.containerID(of: address)
        standing = Self.standing(peer, index, device, deviceContainer, graph)
    }

    private static func standing(
        _ peer: PeerMapping, _ index: Int, _ device: Device, _ container: ContainerID?,
        _ graph: borrowing Graph
    ) -> Standing {
        if isMoved(peer, index, device, graph) { return .moved }
        if device.isRemoved { return .removed }
        if device.isDriverKnown, !device.info.driver.isEmpty, !device.info.driver.keepsForVFIO { return .hostDriver }
        guard device.isOpen else {
            return device.isDriverKnown && device.info.driver.isEmpty ? .unbound : .closed
        }
        if container == peer.container { return .shared }
        guard let opener = device.opener else { return .shared }
        if graph.isSamePrincipal(opener, peer.creator) { return container == nil ? .shared : .sameOwnerElsewhere }
        if peer.openGenerations[index] != device.openGeneration { return .givenAway }
        return container == nil ? .shared : .otherOwnerElsewhere
    }

    private static func isMoved(_ peer: PeerMapping, _ index: Int, _ device: Device, _ graph: borrowing Graph) -> Bool {
        if device.isRemoved { return graph.residents(peer, at: index).contains { $0.device != device.address } }
        let then = peer.bars[index], now = device.info.bars[Int(peer.targets[index].bar)]
        // A BAR that has grown or shrunk in place is still what the mapping was made for, as far as
        // it reaches.
        return now.address != then.address
            || now.size < then.size && peer.targets[index].barOffset + peer.targets[index].size > now.size
    }

    /// Whether a DMA write through the mapping would change the MSI-X table of the device that lies
    /// there.
    func holdsMSIXTable(_ graph: borrowing Graph) -> Bool {
        guard graph.mapping(at: peer.iova, in: peer.container)?.writable ?? true else { return false }
        if standing == .moved { return graph.residents(peer, at: index).contains { $0.holdsMSIXTable(graph) } }
        return target.holdsMSIXTable(graph)
    }

    /// Whether a DMA through the mapping would arrive now: a device of its container can start one,
    /// and the target answers.
    public var isReachable: Bool { reach == .possible && device.isReachable }

    /// Whether someone has the device open through VFIO, and the mapping leads to it.
    public var isOpen: Bool { device.isOpen && !device.isRemoved && standing != .moved }
}

extension DriverName {
    /// Whether a driver leaves the device to users of VFIO: vfio-pci, the variant drivers
    /// (mlx5_vfio_pci, nvgrace-gpu-vfio-pci, …), or pci-stub, which does not use it.
    var keepsForVFIO: Bool {
        if self == DriverName("pci-stub") { return true }
        let length = count
        guard length >= 4 else { return false }
        for at in 0...(length - 4)
        where bytes[at] == UInt8(ascii: "v") && bytes[at + 1] == UInt8(ascii: "f") && bytes[at + 2] == UInt8(ascii: "i")
            && bytes[at + 3] == UInt8(ascii: "o")
        {
            return true
        }
        return false
    }
}

extension Target {
    func holdsMSIXTable(_ graph: borrowing Graph) -> Bool {
        guard let device, let table = graph.device(device)?.info.msix, table.bar == bar else { return false }
        return UInt64(table.offset) < barOffset &+ size && UInt64(table.offset) + UInt64(table.size) > barOffset
    }
}
