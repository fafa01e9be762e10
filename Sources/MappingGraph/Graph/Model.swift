import Events

/// A container's name for as long as the trace lasts: `c1`, `c2`, … in order of appearance. The
/// kernel reuses the pointer, never this.
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

/// A VFIO container: who opened it, which groups are in it. Its mappings are in the graph's IOVA
/// index.
public struct Container: Sendable {
    public let id: ContainerID
    public var key: ContainerKey?
    public var iommu: IOMMUKey?
    /// VFIO_TYPE1_IOMMU (1) or VFIO_TYPE1v2_IOMMU (3).
    public var iommuType: UInt32?
    public var opener: Actor?
    public var opened: UInt64
    /// The last descriptor was released; the mappings live on while a group is attached.
    public var closed: UInt64?
    /// The IOMMU side is gone, and every mapping with it.
    public var released: UInt64?
    public var groups: Set<UInt32>
    public var provenance: Provenance
    /// When it got its present IOMMU side, or was first seen with it.
    public var linked: UInt64?
    /// Its last group is on the way out: every mapping goes, one after the other.
    public var isTearingDown = false
    /// Mappings in force whose creator is known to have exited.
    public var abandoned = 0
    /// Mappings in force whose maker's address space is gone, though it is not known to have
    /// exited.
    public var withoutMemory = 0
    /// Bytes whose user addresses VFIO_DMA_UNMAP_FLAG_VADDR took away and no map gave back, and who
    /// took them last.
    public var vaddrInvalid: UInt64 = 0
    public var vaddrInvalidBy: Actor?
}

public struct Group: Sendable {
    public let number: UInt32
    public var container: ContainerID?
    public var openDescriptors: UInt32
    public var opener: Actor?
    /// How its place in a container is known.
    public var provenance: Provenance
}

public struct Device: Sendable {
    public var info: DeviceInfo
    /// Whether `info.driver` is a fact: empty then means that no driver is bound, else that nothing
    /// has said which.
    public var isDriverKnown: Bool
    public var group: UInt32?
    /// Between first open and last close.
    public var isOpen: Bool
    public var openDescriptors: UInt32
    /// Counts first opens: two opens of a device are two users of it.
    public var openGeneration: UInt32
    public var opener: Actor?
    public var opened: UInt64
    public var lastClosed: UInt64?
    public var memoryEnabled: Bool
    public var resetDepth: UInt32
    public var power: PowerState
    public var isRemoved: Bool
    /// How it is known whether the device is open.
    public var provenance: Provenance

    public var address: PCIAddress { info.device }

    /// A device of which nothing is known but its address: taken to be closed, awake and decoding.
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

    /// Its last descriptor is gone and VFIO resets it on the way to the last close: slow on some
    /// devices, and no defect.
    public var isClosing: Bool { isOpen && openDescriptors == 0 && resetDepth > 0 }

    /// Whether a DMA to its BARs would be answered.
    public var isReachable: Bool {
        memoryEnabled && resetDepth == 0 && power.rawValue < PowerState.d3hot.rawValue && !isRemoved
    }
}

/// Where a part of a mapping leads: bytes of a BAR, or device memory whose owner is not known
/// (`device` nil).
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
    /// A target's open generation when the mapping was made, by position in `targets`; 0 when the
    /// device was not open.
    public let openGenerations: Few<UInt32>
    /// Whether a target's group was in the mapping's own container when it was made, by position in
    /// `targets`.
    public let wereInSameContainer: Few<Bool>
    /// Whether a target was known not to be open through VFIO all the while it was made, by
    /// position in `targets`; never for one that a snapshot found.
    public let wereKnownClosed: Few<Bool>
    /// The target's BAR as it lay when the mapping was made, by position in `targets`: what the
    /// IOMMU has, whatever is moved since. Of size 0 for a target without device.
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
    /// Index of its creator, see `Graph.actor(at:)`.
    public var owner: UInt32
    /// `PeerMapping.id`, nil for RAM alone.
    public var peer: UInt32?

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

    /// The last byte: a range can end at 2⁶⁴-1.
    public var last: UInt64 { iova &+ (size &- 1) }
}
