// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// The actor of the tool itself.
let host = Actor()

/// Applies a snapshot piece by piece.
extension Graph {
    @discardableResult
    mutating func find(
        _ time: UInt64, _ iommu: IOMMUKey, _ iova: UInt64, size: UInt64 = 0x1000, to address: UInt64? = nil,
        by actor: Actor = vmA
    ) -> Applied {
        if let address { apply(time, .extent(Extent(iova: iova, address: address, size: size)), by: actor) }
        return apply(
            time,
            .map(
                MapRequest(
                    iommu: iommu, iova: iova, size: size, deviceBytes: address == nil ? 0 : size,
                    extentCount: address == nil ? 0 : 1,
                    provenance: .snapshot)), by: actor)
    }

    /// Applies the beginning of a snapshot: container 1 with the GPU.
    mutating func findRoots(_ time: UInt64, isOpen: Bool = true) {
        apply(time, .snapshotBegin, by: host)
        apply(
            time,
            .snapshotDevice(
                SnapshotDevice(
                    device: gpu, group: gpuGroup, openCount: isOpen ? 2 : 0, memoryEnabled: isOpen ? true : nil,
                    power: .d0)), by: host)
        apply(time, .snapshotGroup(gpuGroup, c1), by: host)
        apply(time, .snapshotContainer(c1, iommu: i1, type: 3), by: host)
        apply(time, .snapshotHolder(.container(c1), byMapping: false))
        apply(time, .snapshotHolder(.group(gpuGroup), byMapping: false))
        if isOpen { apply(time, .snapshotHolder(.device(gpu), byMapping: false)) }
    }

    /// Applies the roots and the beginning of container 1's walk, which finds these mappings one
    /// nanosecond later.
    mutating func beginWalk(_ time: UInt64, finding iovas: UInt64...) {
        findRoots(time)
        apply(time + 1, .walkBegin(i1), by: host)
        for iova in iovas { find(time + 2, i1, iova) }
    }

    /// Ends the walk and the snapshot. Returns the result of the walk's end.
    @discardableResult
    mutating func endWalk(_ time: UInt64, mappings: Int, consistent: Bool = true) -> Applied {
        let ended = apply(time, .walkEnd(i1, mappings: UInt64(mappings), consistent: consistent), by: host)
        apply(time + 1, .snapshotEnd, by: host)
        return ended
    }

    func starts(_ id: ContainerID = ContainerID(1)) -> [UInt64] { mappings(in: id).map(\.iova) }

    /// Container 1 with an open GPU and these mappings, all seen when they were made.
    static func traced(_ iovas: [UInt64] = [0x1000, 0x2000, 0x3000]) -> Graph {
        var graph = prepared()
        graph.apply(7, .deviceFirstOpen(DeviceUse(device: gpu, group: gpuGroup)))
        graph.apply(8, .deviceOpen(DeviceUse(device: gpu, group: gpuGroup, openCount: 1)))
        for iova in iovas { graph.apply(9, .map(MapRequest(iommu: i1, iova: iova, size: 0x1000))) }
        return graph
    }
}
