import Events
import MappingGraph

/// One part of a mapping that leads to a device, and how things stand between the two now: what rules judge.
public struct Exposure: Sendable {
    public let peer: PeerMapping
    public let target: Target
    /// Position of `target` in `peer.targets`.
    public let index: Int
    public let device: Device
    /// The container that the device's group is in, as far as is known.
    public let deviceContainer: ContainerID?
    public let standing: Standing

    /// What became of the device: exactly one holds, so that the rules on it exclude each other.
    public enum Standing: Sendable, Equatable {
        /// Open, in the mapping's container or in one that is not known: ordinary peer-to-peer.
        case shared
        /// Open in another container, by the mapping's own principal.
        case sameOwnerElsewhere
        /// Open in another container, by someone else, since before the mapping was made.
        case otherOwnerElsewhere
        /// Open by someone else, outside the mapping's container, since after the mapping was made.
        case givenAway
        /// A driver of the host's has it.
        case hostDriver
        /// Closed, and kept for VFIO.
        case closed
        /// No driver has it.
        case unbound
        /// Gone from the bus.
        case removed
    }

    /// nil for a target whose device is not known.
    public init?(_ peer: PeerMapping, index: Int, graph: borrowing Graph) {
        let target = peer.targets[index]
        guard let address = target.device, let device = graph.device(address) else { return nil }
        self.peer = peer
        self.target = target
        self.index = index
        self.device = device
        deviceContainer = graph.containerID(of: address)
        standing = Self.standing(peer, index, device, deviceContainer, graph)
    }

    private static func standing(_ peer: PeerMapping, _ index: Int, _ device: Device, _ container: ContainerID?,
                                 _ graph: borrowing Graph) -> Standing {
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

    /// Whether someone has the device open through VFIO.
    public var isOpen: Bool { device.isOpen && !device.isRemoved }
}

extension DriverName {
    /// Whether a driver leaves the device to VFIO's users: vfio-pci, the variant drivers (mlx5_vfio_pci, nvgrace-gpu-vfio-pci, …), or
    /// pci-stub, which does nothing with it.
    var keepsForVFIO: Bool {
        if self == DriverName("pci-stub") { return true }
        let length = count
        guard length >= 4 else { return false }
        for at in 0...(length - 4)
        where bytes[at] == UInt8(ascii: "v") && bytes[at + 1] == UInt8(ascii: "f") && bytes[at + 2] == UInt8(ascii: "i")
            && bytes[at + 3] == UInt8(ascii: "o") {
            return true
        }
        return false
    }
}
