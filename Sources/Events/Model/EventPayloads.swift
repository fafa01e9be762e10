// SPDX-License-Identifier: Apache-2.0
/// The payloads of events. This one: a descriptor of a device, or the device itself, is opened or
/// closed.
public struct DeviceUse: Sendable {
    /// nil for a device that is not on the PCI bus.
    public var device: PCIAddress?
    public var group: UInt32?
    /// The number of open descriptors afterwards, by the kernel's count; nil if the kernel does not
    /// count them.
    public var openCount: UInt32?
    /// Whether memory decode is on, for a first open.
    public var memoryEnabled: Bool?
    /// Whether the device is bound to an iommufd, for an opened descriptor. Its mappings are not
    /// traced.
    public var usesIOMMUFD = false

    public init(device: PCIAddress?, group: UInt32? = nil, openCount: UInt32? = nil, memoryEnabled: Bool? = nil) {
        self.device = device
        self.group = group
        self.openCount = openCount
        self.memoryEnabled = memoryEnabled
    }
}

/// A device as a snapshot finds it.
public struct SnapshotDevice: Sendable {
    /// nil for a device that is not on the PCI bus.
    public var device: PCIAddress?
    public var group: UInt32?
    /// The number of open descriptors; 0 if the device is not open.
    public var openCount: UInt32
    /// Whether memory decode is on; known only while the device is open.
    public var memoryEnabled: Bool?
    public var power: PowerState
    /// Whether the device is bound to an iommufd. Its mappings are not traced.
    public var usesIOMMUFD = false

    public init(device: PCIAddress?, group: UInt32?, openCount: UInt32, memoryEnabled: Bool?, power: PowerState) {
        self.device = device
        self.group = group
        self.openCount = openCount
        self.memoryEnabled = memoryEnabled
        self.power = power
    }
}

/// A part of a BAR mapped into a process.
public struct BarMmap: Sendable {
    public var device: PCIAddress
    public var vaddr: UInt64
    public var size: UInt64
    /// The physical address of its first byte; 0 if unknown.
    public var address: UInt64

    public init(device: PCIAddress, vaddr: UInt64, size: UInt64, address: UInt64) {
        self.device = device
        self.vaddr = vaddr
        self.size = size
        self.address = address
    }
}

/// A part of a BAR that is in a process's page table, but not in the list of areas that vfio-pci
/// unmaps when it disables the device (before Linux 6.10).
public struct KeptBar: Sendable {
    public var device: PCIAddress
    /// The physical address of its first byte; 0 if unknown.
    public var address: UInt64
    /// Bytes.
    public var size: UInt64
    /// False once the process no longer has it.
    public var isKept: Bool

    public init(device: PCIAddress, address: UInt64, size: UInt64, isKept: Bool) {
        self.device = device
        self.address = address
        self.size = size
        self.isKept = isKept
    }
}

/// A base address register: a power of two of physical addresses, or nothing (`size` 0).
public struct Bar: Hashable, Sendable {
    public var address: UInt64
    public var size: UInt64

    public init(address: UInt64 = 0, size: UInt64 = 0) {
        self.address = address
        self.size = size
    }

    /// The last byte; only for `size` > 0.
    public var last: UInt64 { address &+ size &- 1 }
}

/// The location of a device's MSI-X table: within one of its BARs.
public struct MSIXTable: Hashable, Sendable {
    public var bar: UInt8
    public var offset: UInt32
    /// Bytes, 16 for each vector; never 0.
    public var size: UInt32

    public init(bar: UInt8, offset: UInt32, size: UInt32) {
        self.bar = bar
        self.offset = offset
        self.size = size
    }
}

/// Facts about a PCI device: its identity, group, driver and BARs. `bars` are BAR 0–5 and the
/// expansion ROM.
public struct DeviceInfo: Sendable {
    public var device: PCIAddress
    public var group: UInt32?
    public var vendorID: UInt16
    public var deviceID: UInt16
    public var classCode: UInt32
    public var driver: DriverName
    public var bars: InlineArray<7, Bar>
    /// nil if the device has none, or if it is unknown.
    public var msix: MSIXTable?

    public init(
        device: PCIAddress, group: UInt32? = nil, vendorID: UInt16 = 0, deviceID: UInt16 = 0, classCode: UInt32 = 0,
        driver: DriverName = DriverName(),
        bars: InlineArray<7, Bar> = InlineArray(repeating: Bar()), msix: MSIXTable? = nil
    ) {
        self.device = device
        self.group = group
        self.vendorID = vendorID
        self.deviceID = deviceID
        self.classCode = classCode
        self.driver = driver
        self.bars = bars
        self.msix = msix
    }
}

/// A dma-buf of device memory is exported, revoked, restored or released (Linux 6.19 and later).
public struct DMABuf: Sendable {
    public enum Action: UInt8, Sendable { case export = 1, revoke, restore, release }

    public var action: Action
    /// Identifies the dma-buf of an export or a release; 0 for an event that concerns all dma-bufs
    /// of the device.
    public var key: UInt64
    /// nil for a release: the device may be closed by then.
    public var device: PCIAddress?
    // Only for an export:
    /// The inode number of its file, as fstat and /sys/kernel/debug/dma_buf show it.
    public var inode: UInt64
    /// The total size of its ranges, in bytes.
    public var size: UInt64
    /// The physical address of its first range.
    public var address: UInt64
    public var ranges: UInt32
    /// Whether the device did not answer at that time.
    public var isRevoked: Bool

    public init(
        _ action: Action, key: UInt64 = 0, device: PCIAddress?, inode: UInt64 = 0, size: UInt64 = 0,
        address: UInt64 = 0, ranges: UInt32 = 0,
        isRevoked: Bool = false
    ) {
        self.action = action
        self.key = key
        self.device = device
        self.inode = inode
        self.size = size
        self.address = address
        self.ranges = ranges
        self.isRevoked = isRevoked
    }
}

/// A VFIO_IOMMU_MAP_DMA that returned.
public struct MapRequest: Sendable {
    public var iommu: IOMMUKey
    public var iova: UInt64
    public var vaddr: UInt64
    /// Bytes; the range is `iova` … `iova + size - 1`, which can end at 2⁶⁴-1.
    public var size: UInt64
    public var readable: Bool
    public var writable: Bool
    /// 0, or a negative errno: in that case the mapping was never in force.
    public var result: Int32
    /// How many of the `size` bytes are device memory.
    public var deviceBytes: UInt64
    /// How many `extent` events of this mapping preceded.
    public var extentCount: UInt32
    /// Whether there are more runs than extents. Then some targets are known only by their number
    /// of bytes.
    public var moreExtents: Bool
    /// When the first page was pinned, or 0. A removal between this time and `Event.time` removed
    /// this mapping.
    public var began: UInt64
    /// Whether this is a VFIO_DMA_MAP_FLAG_VADDR call: the mapping exists already and receives a
    /// new vaddr.
    public var vaddrOnly: Bool
    public var provenance: Provenance
    /// Only for a snapshot: the address space in which the mapping was made no longer exists.
    public var isMemoryGone = false
    /// Only for a snapshot: whether the mapping leads to RAM or to device memory could not be read.
    public var isTargetUnknown = false
    /// The memory behind the first page, if the mapping is shared memory and RAM only.
    public var backing: Backing?

    @inlinable
    public init(
        iommu: IOMMUKey, iova: UInt64, vaddr: UInt64 = 0, size: UInt64, readable: Bool = true, writable: Bool = true,
        result: Int32 = 0,
        deviceBytes: UInt64 = 0, extentCount: UInt32 = 0, moreExtents: Bool = false, began: UInt64 = 0,
        vaddrOnly: Bool = false,
        provenance: Provenance = .observed
    ) {
        self.iommu = iommu
        self.iova = iova
        self.vaddr = vaddr
        self.size = size
        self.readable = readable
        self.writable = writable
        self.result = result
        self.deviceBytes = deviceBytes
        self.extentCount = extentCount
        self.moreExtents = moreExtents
        self.began = began
        self.vaddrOnly = vaddrOnly
        self.provenance = provenance
    }
}

/// A physically contiguous run of device memory in a mapping.
public struct Extent: Sendable {
    public var iova: UInt64
    /// Physical address.
    public var address: UInt64
    public var size: UInt64

    public init(iova: UInt64, address: UInt64, size: UInt64) {
        self.iova = iova
        self.address = address
        self.size = size
    }
}

/// A place in memory that several processes can map. Such memory always has a file, even if only
/// one internal to the kernel.
public struct Backing: Hashable, Sendable {
    /// `anonymous`: MAP_SHARED | MAP_ANONYMOUS, which another process can obtain only by a fork or
    /// from /proc/PID/map_files.
    public enum Kind: UInt8, Sendable { case file = 1, memfd = 2, anonymous = 3 }

    public var kind: Kind
    /// The file system's device number, `major << 20 | minor`.
    public var device: UInt32
    public var inode: UInt64
    /// Bytes.
    public var offset: UInt64

    public init(kind: Kind, device: UInt32, inode: UInt64, offset: UInt64) {
        self.kind = kind
        self.device = device
        self.inode = inode
        self.offset = offset
    }
}

public struct MappingRemoved: Sendable {
    public var iommu: IOMMUKey
    public var iova: UInt64
    public var size: UInt64
    public var cause: RemovalCause

    public init(iommu: IOMMUKey, iova: UInt64, size: UInt64, cause: RemovalCause) {
        self.iommu = iommu
        self.iova = iova
        self.size = size
        self.cause = cause
    }
}

/// A VFIO_IOMMU_UNMAP_DMA that returned. `size` is the value that the kernel wrote back.
public struct UnmapRequest: Sendable {
    public var iommu: IOMMUKey
    public var iova: UInt64
    public var size: UInt64
    public var flags: UInt32
    public var result: Int32
    /// The number of bytes requested; nil if unknown, or if the request was for all mappings.
    public var requested: UInt64?

    @inlinable
    public init(iommu: IOMMUKey, iova: UInt64, size: UInt64, flags: UInt32, result: Int32, requested: UInt64? = nil) {
        self.requested = requested
        self.iommu = iommu
        self.iova = iova
        self.size = size
        self.flags = flags
        self.result = result
    }
}
