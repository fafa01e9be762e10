// SPDX-License-Identifier: Apache-2.0
import Events

/// A container's name for the whole trace: `c1`, `c2`, … in order of appearance. Unlike the
/// kernel's pointer, it is never reused.
public struct ContainerID: Hashable, Sendable, Comparable, CustomStringConvertible {
    public var number: UInt32
    public init(_ number: UInt32) { self.number = number }

    /// `c1`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.first == "c", let number = UInt32(text.dropFirst()) else { return nil }
        self.number = number
    }

    public static func < (a: Self, b: Self) -> Bool { a.number < b.number }
    public var description: String { "c\(number)" }
}

/// A VFIO container: its opener and its groups. Its mappings are in the graph's IOVA index.
public struct Container: Sendable {
    public let id: ContainerID
    public var key: ContainerKey?
    public var iommu: IOMMUKey?
    /// VFIO_TYPE1_IOMMU (1) or VFIO_TYPE1v2_IOMMU (3).
    public var iommuType: UInt32?
    public var opener: Actor?
    public var opened: UInt64
    /// Whether the last descriptor was released. The mappings stay while a group is attached.
    public var closed: UInt64?
    /// Whether the IOMMU side is gone, and every mapping with it.
    public var released: UInt64?
    public var groups: Set<UInt32>
    public var provenance: Provenance
    /// When it received its present IOMMU side, or was first seen with it.
    public var linked: UInt64?
    /// Whether its last group is being detached: all mappings are removed, one after the other.
    public var isTearingDown = false
    /// The number of mappings in force whose creator is known to have exited.
    public var abandoned = 0
    /// The number of mappings in force whose maker's address space is gone, although the maker is
    /// not known to have exited.
    public var withoutMemory = 0
    /// The number of bytes whose user addresses VFIO_DMA_UNMAP_FLAG_VADDR invalidated and no map
    /// restored, and the last actor that invalidated any.
    public var vaddrInvalid: UInt64 = 0
    public var vaddrInvalidBy: Actor?
}

public struct Group: Sendable {
    public let number: UInt32
    public var container: ContainerID?
    public var openDescriptors: UInt32
    public var opener: Actor?
    /// The container that it was last detached from. The kernel still shows the group in it until
    /// all mappings are removed, which can take long.
    var detachedFrom: ContainerID?
    /// How its place in a container is known.
    public var provenance: Provenance
}

public struct Device: Sendable {
    public var info: DeviceInfo
    /// Whether `info.driver` is known. If so, an empty name means that no driver is bound;
    /// otherwise that the driver is unknown.
    public var isDriverKnown: Bool
    public var group: UInt32?
    /// Between first open and last close.
    public var isOpen: Bool
    public var openDescriptors: UInt32
    /// The number of first opens. Two first opens of a device are two users.
    public var openGeneration: UInt32
    public var opener: Actor?
    public var opened: UInt64
    public var lastClosed: UInt64?
    public var memoryEnabled: Bool
    public var resetDepth: UInt32
    public var power: PowerState
    public var isRemoved: Bool
    /// Whether it is open through iommufd, so that its mappings are not in the graph.
    public var usesIOMMUFD = false
    /// How it is known whether the device is open.
    public var provenance: Provenance

    public var address: PCIAddress { info.device }

    /// Creates a device whose address alone is known. It is assumed to be closed, awake and
    /// decoding.
    init(_ address: PCIAddress) {
        info = DeviceInfo(device: address)
        isDriverKnown = false
        isOpen = false
        openDescriptors = 0
        openGeneration = 0
        opened = 0
        memoryEnabled = true
        resetDepth = 0
        power = .d0
        isRemoved = false
        provenance = .inferred
    }

    /// Whether VFIO resets the device on its way to the last close, after the last descriptor is
    /// gone. This is slow on some devices, and not a defect.
    public var isClosing: Bool { isOpen && openDescriptors == 0 && resetDepth > 0 }

    /// Whether a DMA to its BARs would be answered.
    public var isReachable: Bool {
        memoryEnabled && resetDepth == 0 && power.rawValue < PowerState.d3hot.rawValue && !isRemoved
    }
}

/// A user of a device through iommufd, whose mappings are not traced.
public struct IOMMUFDUse: Sendable, Equatable {
    public let device: PCIAddress
    /// The process that has the device open; `Actor()` if that is unknown.
    public var opener: Actor
}

/// The target of a part of a mapping: bytes of a BAR, or device memory whose owner is unknown
/// (`device` is nil).
public struct Target: Hashable, Sendable {
    public var device: PCIAddress?
    public var bar: UInt8
    public var barOffset: UInt64
    public var iova: UInt64
    public var size: UInt64

    public init(device: PCIAddress?, bar: UInt8, barOffset: UInt64, iova: UInt64, size: UInt64) {
        self.device = device
        self.bar = bar
        self.barOffset = barOffset
        self.iova = iova
        self.size = size
    }
}

/// A mapping whose pages lie in a device's BAR, wholly or in part.
public struct PeerMapping: Sendable {
    /// Unique in a graph, in order of creation.
    public let id: UInt32
    public let container: ContainerID
    public let iova: UInt64
    public let size: UInt64
    public let targets: Few<Target>
    public let creator: Actor
    /// When it was made, nanoseconds since boot.
    public let since: UInt64
    public let provenance: Provenance
    /// Each target's open generation when the mapping was made, by position in `targets`; 0 if the
    /// device was not open.
    public let openGenerations: Few<UInt32>
    /// Whether each target's group was in the mapping's own container when it was made, by position
    /// in `targets`.
    public let wereInSameContainer: Few<Bool>
    /// Whether each target was known not to be open through VFIO during the whole map call, by
    /// position in `targets`; always false for a mapping that a snapshot found.
    public let wereKnownClosed: Few<Bool>
    /// Each target's BAR at the time when the mapping was made, by position in `targets`. The IOMMU
    /// still leads there, even if the BAR has moved since. Its size is 0 for a target without a
    /// device.
    public let bars: Few<Bar>
}

/// One mapping in force.
public struct Mapping: Sendable, Equatable {
    public var iova: UInt64
    /// Bytes.
    public var size: UInt64
    public var readable: Bool
    public var writable: Bool
    public var provenance: Provenance
    /// The index of its creator, see `Graph.actor(at:)`.
    public var owner: UInt32
    /// `PeerMapping.id`, nil for RAM alone.
    public var peer: UInt32?
    /// Whether it could not be read if the mapping leads to RAM or to device memory. If so, `peer`
    /// is nil.
    public var isTargetUnknown = false

    public init(
        iova: UInt64, size: UInt64, readable: Bool = true, writable: Bool = true, provenance: Provenance = .observed,
        owner: UInt32 = 0,
        peer: UInt32? = nil
    ) {
        self.iova = iova
        self.size = size
        self.readable = readable
        self.writable = writable
        self.provenance = provenance
        self.owner = owner
        self.peer = peer
    }

    /// The last byte, inclusive, because a range can end at 2⁶⁴-1.
    public var last: UInt64 { iova &+ (size &- 1) }
}
