// SPDX-License-Identifier: Apache-2.0
import Testing
import Events
import MappingGraph

/// What the tests of the graph share: two devices, two containers, two VMs.
let gpu = PCIAddress("0000:01:00.0")!
let nic = PCIAddress("0000:02:00.0")!
let nicSibling = PCIAddress("0000:02:00.1")!
let c1 = ContainerKey(0x100), c2 = ContainerKey(0x200)
let i1 = IOMMUKey(0x1000), i2 = IOMMUKey(0x2000)
let gpuGroup: UInt32 = 1, nicGroup: UInt32 = 2
let vmA = actor(100, "qemu-a"), vmB = actor(200, "qemu-b")
/// BAR 0 of `gpu` and of `nic`, 1 MiB each.
let gpuBar: UInt64 = 0xe000_0000, nicBar: UInt64 = 0xf000_0000
let barSize: UInt64 = 0x10_0000

func actor(_ pid: UInt32, _ comm: String = "test", tid: UInt32? = nil) -> Actor {
    Actor(process: ProcessKey(pid: pid, start: UInt64(pid) * 10), tid: tid ?? pid, comm: Comm(comm))
}

func info(_ device: PCIAddress, group: UInt32?, bar: UInt64, size: UInt64 = barSize, driver: String = "vfio-pci")
    -> DeviceInfo
{
    var bars: InlineArray<7, Bar> = InlineArray(repeating: Bar())
    bars[0] = Bar(address: bar, size: size)
    return DeviceInfo(
        device: device, group: group, vendorID: 0x8086, deviceID: 1, driver: DriverName(driver), bars: bars)
}

extension Graph {
    @discardableResult
    mutating func apply(_ time: UInt64, _ kind: Event.Kind, by actor: Actor = vmA) -> Applied {
        apply(Event(time: time, actor: actor, kind: kind))
    }

    /// Makes a mapping whose whole range leads to one physical address.
    @discardableResult
    mutating func map(
        _ time: UInt64, _ iommu: IOMMUKey, _ iova: UInt64, to address: UInt64, size: UInt64, result: Int32 = 0,
        by actor: Actor = vmA
    ) -> Applied {
        apply(time, .extent(Extent(iova: iova, address: address, size: size)), by: actor)
        return apply(
            time,
            .map(MapRequest(iommu: iommu, iova: iova, size: size, result: result, deviceBytes: size, extentCount: 1)),
            by: actor)
    }

    @discardableResult
    mutating func unmap(
        _ time: UInt64, _ iommu: IOMMUKey, _ iova: UInt64, _ size: UInt64 = 0x1000, cause: RemovalCause = .request
    ) -> Applied {
        apply(time, .mappingRemoved(MappingRemoved(iommu: iommu, iova: iova, size: size, cause: cause)))
    }

    /// A graph with two devices, and the first device's group in container 1 with its IOMMU side,
    /// by events in the kernel's order.
    static func prepared() -> Graph {
        var graph = Graph()
        graph.apply(1, .deviceInfo(info(gpu, group: gpuGroup, bar: gpuBar)))
        graph.apply(1, .deviceInfo(info(nic, group: nicGroup, bar: nicBar)))
        graph.apply(2, .containerOpen(c1))
        graph.apply(3, .groupOpen(gpuGroup))
        graph.apply(4, .groupAttach(gpuGroup, c1))
        graph.apply(5, .iommuOpen(i1, type: 3, container: nil))
        graph.apply(6, .iommuAttach(i1, group: gpuGroup, result: 0))
        return graph
    }
}

/// Replaces `#require` for a call on a graph: the macro would copy the graph, which cannot be
/// copied.
func unwrapped<T>(_ value: T?, sourceLocation: SourceLocation = #_sourceLocation) throws -> T {
    try #require(value, sourceLocation: sourceLocation)
}
