// SPDX-License-Identifier: Apache-2.0
import CRecords
import Events

/// SplitMix64, a random generator that yields the same numbers everywhere.
struct Random {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

/// A VM's process with its container, group and device, with keys like a kernel's.
struct Machine {
    let number: UInt64
    var pid: UInt32 { 4000 + UInt32(number) * 17 }
    var container: UInt64 { 0xffff_8881_0000_0000 + number << 12 }
    var iommu: UInt64 { 0xffff_8882_0000_0000 + number << 12 }
    var group: UInt32 { 10 + UInt32(number) }
    /// 0000:01:00.0, 0000:02:00.0, …
    var device: UInt64 { (number + 1) << 8 }
    /// Physical address of its first BAR, of 256 MiB.
    var barAddress: UInt64 { 0x38_0000_0000 + number << 28 }
}

/// Makes records like those of the BPF programs, one after another, and passes each to `sink`.
struct RecordMaker {
    typealias Sink = (UnsafeRawPointer, Int) -> Void

    private var random = Random(seed: 7)
    private(set) var time: UInt64 = 1_000_000_000_000
    private(set) var count: UInt64 = 0
    private let sink: Sink

    init(_ sink: @escaping Sink) { self.sink = sink }

    /// The records before the first mapping.
    mutating func begin(_ machine: Machine) {
        var info = vs_driver()
        info.h = header(VS_DEVICE_INFO, machine, MemoryLayout<vs_driver>.size)
        info.pci = machine.device
        info.number = machine.group
        (info.vendor, info.device, info.class_code) = (0x8086, 0x10fb, 0x020000)
        withUnsafeMutableBytes(of: &info.driver) { $0.copyBytes(from: "vfio-pci".utf8) }
        info.bars.0 = vs_bar(address: machine.barAddress, size: 1 << 28)
        give(&info)
        var opened = vs_container()
        opened.h = header(VS_CONTAINER_OPEN, machine, MemoryLayout<vs_container>.size)
        opened.container = machine.container
        give(&opened)
        for type in [VS_GROUP_OPEN, VS_GROUP_ATTACH] {
            var group = vs_group()
            group.h = header(type, machine, MemoryLayout<vs_group>.size)
            group.group = machine.container + 0x100
            group.container = type == VS_GROUP_ATTACH ? machine.container : 0
            group.number = machine.group
            give(&group)
        }
        for type in [VS_IOMMU_OPEN, VS_IOMMU_ATTACH] {
            var side = vs_iommu()
            side.h = header(type, machine, MemoryLayout<vs_iommu>.size)
            side.iommu = machine.iommu
            side.value = type == VS_IOMMU_OPEN ? 3 : machine.group
            give(&side)
        }
        var enabled = vs_device()
        enabled.h = header(VS_DEVICE_ENABLE, machine, MemoryLayout<vs_device>.size)
        (enabled.device, enabled.pci) = (machine.container + 0x200, machine.device)
        (enabled.number, enabled.open_count, enabled.command) = (machine.group, 1, 6)
        give(&enabled)
    }

    /// One mapping. `dma` is the address of the kernel's struct; for device memory, an extent
    /// precedes the mapping's record.
    mutating func map(_ machine: Machine, iova: UInt64, size: UInt64, dma: UInt64, deviceAddress: UInt64? = nil) {
        if let deviceAddress {
            var extent = vs_extent()
            extent.h = header(VS_EXTENT, machine, MemoryLayout<vs_extent>.size)
            (extent.dma, extent.iova, extent.phys, extent.bytes) = (dma, iova, deviceAddress, size)
            give(&extent)
        }
        var map = vs_map()
        map.h = header(VS_MAP, machine, MemoryLayout<vs_map>.size)
        (map.iommu, map.dma, map.iova, map.vaddr, map.size) = (machine.iommu, dma, iova, 0x7f00_0000_0000 + iova, size)
        if deviceAddress != nil { (map.device_bytes, map.extents) = (size, 1) }
        map.begin = map.h.time - 600
        (map.prot, map.chunks) = (3, 1)
        give(&map)
    }

    /// What VFIO_IOMMU_UNMAP_DMA emits: the removal, then the request's return.
    mutating func unmap(_ machine: Machine, iova: UInt64, size: UInt64, dma: UInt64) {
        var removal = vs_remove()
        removal.h = header(VS_REMOVE, machine, MemoryLayout<vs_remove>.size)
        (removal.iommu, removal.dma, removal.iova, removal.size) = (machine.iommu, dma, iova, size)
        give(&removal)
        var request = vs_unmap()
        request.h = header(VS_UNMAP, machine, MemoryLayout<vs_unmap>.size)
        (request.iommu, request.iova, request.size, request.requested) = (machine.iommu, iova, size, size)
        give(&request)
    }

    private mutating func header(_ type: vs_type, _ machine: Machine, _ size: Int) -> vs_header {
        time += 800 + random.next() & 1023
        var header = vs_header()
        (header.type, header.size, header.tid, header.tgid) = (
            UInt16(type.rawValue), UInt16(size), machine.pid, machine.pid
        )
        (header.time, header.start, header.cgroup) = (
            time, 900_000_000_000 + machine.number * 1_000_000, 5000 + machine.number
        )
        withUnsafeMutableBytes(of: &header.comm) { $0.copyBytes(from: "qemu-system-x86".utf8) }
        return header
    }

    private mutating func give<T>(_ record: inout T) {
        count += 1
        withUnsafeBytes(of: &record) { sink($0.baseAddress!, $0.count) }
    }
}
