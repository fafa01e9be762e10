// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// The devices, containers and processes of histories.
public enum Scene {
    /// A GPU and a network card, each with one BAR of `barSize` bytes, and the card's second
    /// function.
    public static let gpu = PCIAddress("0000:01:00.0")!
    public static let nic = PCIAddress("0000:02:00.0")!
    public static let nicSibling = PCIAddress("0000:02:00.1")!
    public static let gpuGroup: UInt32 = 1
    public static let nicGroup: UInt32 = 2
    public static let gpuBar: UInt64 = 0xe000_0000
    public static let nicBar: UInt64 = 0xf000_0000
    public static let barSize: UInt64 = 0x10_0000

    public static let c1 = ContainerKey(0x100)
    public static let c2 = ContainerKey(0x200)
    public static let c3 = ContainerKey(0x300)
    /// The IOMMU side of `c1`.
    public static let i1 = IOMMUKey(0x1000)
    /// The IOMMU side of `c2`.
    public static let i2 = IOMMUKey(0x2000)
    /// The IOVA at which VM A maps the card's BAR.
    public static let window: UInt64 = 0x8000_0000

    public static let vmA = actor(100, "qemu-a")
    public static let vmB = actor(200, "qemu-b")
    /// The host itself: drivers, hotplug, snapshots.
    public static let host = actor(1, "systemd")

    /// The only thread of a process.
    public static func actor(_ pid: UInt32, _ comm: String) -> Actor {
        Actor(process: ProcessKey(pid: pid, start: UInt64(pid) * 10), tid: pid, comm: Comm(comm))
    }

    /// A device whose BAR 0 lies at the physical address `bar`.
    public static func info(_ device: PCIAddress, group: UInt32, bar: UInt64, driver: String = "vfio-pci")
        -> DeviceInfo
    {
        var bars: InlineArray<7, Bar> = InlineArray(repeating: Bar())
        bars[0] = Bar(address: bar, size: barSize)
        return DeviceInfo(device: device, group: group, driver: DriverName(driver), bars: bars)
    }

    /// The GPU as it is found.
    public static var gpuInfo: DeviceInfo { info(gpu, group: gpuGroup, bar: gpuBar) }
    /// The network card as it is found.
    public static var nicInfo: DeviceInfo { info(nic, group: nicGroup, bar: nicBar) }
    public static let gpuUse = DeviceUse(device: gpu, group: gpuGroup)
    public static let nicUse = DeviceUse(device: nic, group: nicGroup)
}
