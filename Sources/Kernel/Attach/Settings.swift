// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CRecords
import Glibc

/// The settings that are written into the read-only data of the BPF object before it is loaded.
struct Settings {
    /// Bytes, a power of two.
    var ringBytes: UInt32 = 16 << 20
    var windows: [(first: UInt64, last: UInt64)] = []
    var injectLoss: UInt32 = 0
    /// The address at which the kernel maps physical address 0, for reading IOMMU tables; 0 when
    /// they are not to be read. Used in user space only.
    var linearMap: UInt64 = 0
    /// The same for reading a process's page table, and the number of its levels; 0 when page
    /// tables are not to be read.
    var directMap: UInt64 = 0
    var pageTableLevels: Int32 = 0
    /// The major device numbers of VFIO groups and of devices' own nodes; 0 when there is none.
    var groupMajor: UInt32 = 0
    var nodeMajor: UInt32 = 0

    static let maxWindows = 16

    /// Sets the initial values; the object's own BTF gives the offset of each variable.
    func write(into object: OpaquePointer) {
        guard let btf = bpf_object__btf(object), let map = readOnlyData(of: object) else { return }
        var size = 0
        guard let base = UnsafeMutableRawPointer(mutating: bpf_map__initial_value(map, &size)) else { return }
        let everything: [(first: UInt64, last: UInt64)] = [(0, .max)]
        let wanted = windows.isEmpty ? everything : Array(windows.prefix(Self.maxWindows))
        if let offset = offset(of: "pci_windows", in: btf) {
            for (index, window) in wanted.enumerated() {
                base.storeBytes(of: window.first, toByteOffset: offset + 16 * index, as: UInt64.self)
                base.storeBytes(of: window.last, toByteOffset: offset + 16 * index + 8, as: UInt64.self)
            }
        }
        store(UInt32(wanted.count), "pci_window_count", btf, base)
        store(UInt32(sysconf(Int32(_SC_PAGESIZE)).trailingZeroBitCount), "page_shift", btf, base)
        store(UInt64(ringBytes) / 8, "wakeup_bytes", btf, base)
        store(injectLoss, "inject_loss", btf, base)
        store(groupMajor, "group_major", btf, base)
        store(nodeMajor, "node_major", btf, base)
        store(directMap, "direct_map", btf, base)
        store(pageTableLevels, "page_table_levels", btf, base)
    }

    private func store<T>(_ value: T, _ name: String, _ btf: OpaquePointer, _ base: UnsafeMutableRawPointer) {
        if let offset = offset(of: name, in: btf) { base.storeBytes(of: value, toByteOffset: offset, as: T.self) }
    }

    private func readOnlyData(of object: OpaquePointer) -> OpaquePointer? {
        var map = bpf_object__next_map(object, nil)
        while let current = map {
            if String(cString: bpf_map__name(current)).hasSuffix(".rodata") { return current }
            map = bpf_object__next_map(object, current)
        }
        return nil
    }

    /// The byte offset of a variable in `.rodata`.
    private func offset(of name: String, in btf: OpaquePointer) -> Int? {
        let section = btf__find_by_name_kind(btf, ".rodata", BTFKind.dataSection)
        guard section > 0, let type = btf__type_by_id(btf, UInt32(section)) else { return nil }
        let variables = UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_var_secinfo.self)
        for index in 0..<Int(type.pointee.info & 0xffff) {
            guard let variable = btf__type_by_id(btf, variables[index].type),
                let text = btf__name_by_offset(btf, variable.pointee.name_off)
            else { continue }
            if String(cString: text) == name { return Int(variables[index].offset) }
        }
        return nil
    }
}
