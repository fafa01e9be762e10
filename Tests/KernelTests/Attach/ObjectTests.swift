// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CRecords
import Testing

@testable import Kernel

/// The BPF object, opened by libbpf but not loaded, which needs no privileges.
private final class OpenedObject {
    let object: OpaquePointer
    let btf: OpaquePointer

    init() throws {
        let opened = BPFLoader.image.withUnsafeBytes { bpf_object__open_mem($0.baseAddress, $0.count, nil) }
        object = try #require(opened)
        btf = try #require(bpf_object__btf(object))
    }

    deinit { bpf_object__close(object) }

    var programs: Set<String> {
        var names: Set<String> = []
        var program = bpf_object__next_program(object, nil)
        while let current = program {
            names.insert(String(cString: bpf_program__name(current)))
            program = bpf_object__next_program(object, current)
        }
        return names
    }

    func size(of structure: String) -> Int? {
        let id = btf__find_by_name_kind(btf, structure, BTFKind.structure)
        guard id > 0, let type = btf__type_by_id(btf, UInt32(id)) else { return nil }
        return Int(type.pointee.size)
    }

    /// Byte offsets of a struct's members, by name.
    func members(of structure: String) -> [String: Int] {
        let id = btf__find_by_name_kind(btf, structure, BTFKind.structure)
        guard id > 0, let type = btf__type_by_id(btf, UInt32(id)) else { return [:] }
        let members = UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_member.self)
        var offsets: [String: Int] = [:]
        for index in 0..<Int(type.pointee.info & 0xffff) {
            offsets[String(cString: btf__name_by_offset(btf, members[index].name_off))] = Int(members[index].offset / 8)
        }
        return offsets
    }
}

@Suite("The BPF object")
struct ObjectTests {
    @Test func everyProgramIsInTheHookTableAndEveryHookHasItsPrograms() throws {
        let inObject = try OpenedObject().programs
        let inTable = Set(HookDefinition.all.flatMap(\.ways).flatMap(\.programs)).union(SnapshotPrograms.all).union(
            KeptBarWatch.programs)
        #expect(
            inObject.subtracting(inTable).isEmpty,
            "programs that no hook loads: \(inObject.subtracting(inTable).sorted())")
        for hook in HookDefinition.all {
            for way in hook.ways {
                #expect(way.programs.allSatisfy(inObject.contains), "\(hook.name) by \(way.how) of \(way.function)")
            }
        }
    }

    @Test func hookNamesAreUnique() {
        #expect(Set(HookDefinition.all.map(\.name)).count == HookDefinition.all.count)
    }

    /// The BPF compiler has laid out the records as Swift imports them.
    @Test func recordsAreLaidOutAlikeOnBothSides() throws {
        let object = try OpenedObject()
        #expect(object.size(of: "vs_header") == MemoryLayout<vs_header>.size)
        #expect(object.size(of: "vs_container") == MemoryLayout<vs_container>.size)
        #expect(object.size(of: "vs_iommu") == MemoryLayout<vs_iommu>.size)
        #expect(object.size(of: "vs_group") == MemoryLayout<vs_group>.size)
        #expect(object.size(of: "vs_device") == MemoryLayout<vs_device>.size)
        #expect(object.size(of: "vs_bar_mmap") == MemoryLayout<vs_bar_mmap>.size)
        #expect(object.size(of: "vs_map") == MemoryLayout<vs_map>.size)
        #expect(object.size(of: "vs_extent") == MemoryLayout<vs_extent>.size)
        #expect(object.size(of: "vs_remove") == MemoryLayout<vs_remove>.size)
        #expect(object.size(of: "vs_unmap") == MemoryLayout<vs_unmap>.size)
        #expect(object.size(of: "vs_pci") == MemoryLayout<vs_pci>.size)
        #expect(object.size(of: "vs_driver") == MemoryLayout<vs_driver>.size)
        #expect(object.size(of: "vs_module") == MemoryLayout<vs_module>.size)
        #expect(object.size(of: "vs_fork") == MemoryLayout<vs_fork>.size)
        #expect(object.size(of: "vs_dma_buf") == MemoryLayout<vs_dma_buf>.size)
        #expect(object.size(of: "vs_kept_bar") == MemoryLayout<vs_kept_bar>.size)
        #expect(object.size(of: "vs_exec") == MemoryLayout<vs_exec>.size)
        #expect(object.size(of: "vs_snap_mark") == MemoryLayout<vs_snap_mark>.size)
        #expect(object.size(of: "vs_snap_root") == MemoryLayout<vs_snap_root>.size)
        #expect(object.size(of: "vs_snap_container") == MemoryLayout<vs_snap_container>.size)
        #expect(object.size(of: "vs_snap_device") == MemoryLayout<vs_snap_device>.size)
        #expect(object.size(of: "vs_counters") == MemoryLayout<vs_counters>.size)
        #expect(object.size(of: "vs_saved_key") == MemoryLayout<vs_saved_key>.size)
        #expect(object.size(of: "vs_saved_args") == MemoryLayout<vs_saved_args>.size)
        let header = object.members(of: "vs_header")
        #expect(header["time"] == MemoryLayout<vs_header>.offset(of: \.time))
        #expect(header["start"] == MemoryLayout<vs_header>.offset(of: \.start))
        #expect(header["comm"] == MemoryLayout<vs_header>.offset(of: \.comm))
        let map = object.members(of: "vs_map")
        #expect(map["iova"] == MemoryLayout<vs_map>.offset(of: \.iova))
        #expect(map["ret"] == MemoryLayout<vs_map>.offset(of: \.ret))
        #expect(map["extents"] == MemoryLayout<vs_map>.offset(of: \.extents))
        // Swift reads only the first fields of the cursor.
        let cursor = object.members(of: "snapshot_cursor")
        #expect(
            ["next", "done", "found", "available_before", "available_after"].map { cursor[$0] } == [0, 8, 16, 24, 32])
        #expect(object.members(of: "vs_driver")["bars"] == MemoryLayout<vs_driver>.offset(of: \.bars))
    }
}

@Suite("Where a snapshot looks")
struct RootScanTests {
    @Test func variantsOfVFIODriversAreKnownByName() {
        #expect(
            ["vfio-pci", "mlx5_vfio_pci", "hisi-acc-vfio-pci", "nvgrace-gpu-vfio-pci"].allSatisfy(RootScan.isOfVFIO))
        #expect(!["pci-stub", "e1000e", "vfiox"].contains(where: RootScan.isOfVFIO))
    }

    @Test func deviceMappingsAreFoundInMaps() {
        #expect(
            RootScan.deviceAddress(
                inMapsLine: "7f2a1c000000-7f2a1c010000 rw-s 20000000000 00:0e 1047      anon_inode:[vfio-device]")
                == 0x7f2a_1c00_0000)
        #expect(
            RootScan.deviceAddress(
                inMapsLine: "7f2a1c000000-7f2a1c010000 rw-s 00000000 00:0e 1047         anon_inode:[perf_event]") == nil
        )
        #expect(
            RootScan.deviceAddress(inMapsLine: "7ffd5c1f2000-7ffd5c1f6000 r--p 00000000 00:00 0            [vvar]")
                == nil)
    }
}
