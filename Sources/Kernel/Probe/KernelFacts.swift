// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// What the running kernel offers, probed before anything is loaded, and again when a module of
/// VFIO arrives.
///
/// Takes one pass over the kernel's BTF (about 0.1 s) and, only where kprobes are needed, one over
/// /proc/kallsyms.
struct KernelFacts {
    var release: String
    var machine: String
    var isRoot: Bool
    var hasBTF: Bool
    var hasModuleBTF: Bool
    /// `bpf_get_func_ret` (5.17), which fexit programs use.
    var hasFunctionReturn: Bool
    /// `iter/task_vma` (5.12).
    var hasTaskVMAIterator = false
    /// vfio-pci zaps BARs by a list of areas, which may lack copies (until 6.10, aac6db75a9fc; see
    /// bpf/kept_bars.h).
    var listsBarAreas = false
    /// Functions to which fentry and fexit can attach, with their place in BTF.
    var targets: [String: AttachTarget] = [:]
    /// Functions to which kprobes can attach, with their addresses; 0 where the kernel hides the
    /// address (kptr_restrict). Empty where kprobes are not needed.
    var symbols: [String: UInt64] = [:]
    /// Those of `vfioModules` that are loaded or built in.
    var loadedModules: Set<String>

    /// Whether vfio and its drivers are present, as modules or built in.
    var hasVFIO: Bool { loadedModules.contains("vfio") }
    var hasType1: Bool { loadedModules.contains("vfio_iommu_type1") }
    /// Whether iommufd is present, as a module or built in: it holds mappings that are not traced.
    static var hasIOMMUFD: Bool { Files.exists("/sys/class/misc/iommu") }
    /// Whether devices can be used, but only through iommufd.
    var hasOnlyIOMMUFD: Bool { hasVFIO && !hasType1 && Self.hasIOMMUFD }
    var hasVFIOPCI: Bool { loadedModules.contains("vfio_pci") || loadedModules.contains("vfio_pci_core") }

    /// How many mappings a container may have (`dma_entry_limit`); nil while vfio_iommu_type1 is
    /// not loaded.
    static var mappingLimit: UInt32? {
        Files.text("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit").flatMap { UInt32($0) }
    }

    static let vfioModules = ["vfio", "vfio_iommu_type1", "vfio_pci_core", "vfio_pci"]

    init() {
        var name = utsname()
        uname(&name)
        release = withUnsafePointer(to: &name.release) {
            String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
        }
        machine = withUnsafePointer(to: &name.machine) {
            String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
        }
        isRoot = geteuid() == 0
        loadedModules = Set(Self.vfioModules.filter { Files.exists("/sys/module/\($0)") })
        hasBTF = Files.exists("/sys/kernel/btf/vmlinux")
        hasModuleBTF = Self.vfioModules.contains { Files.exists("/sys/kernel/btf/\($0)") }
        hasFunctionReturn = false
        guard hasBTF, let vmlinux = btf__load_vmlinux_btf() else {
            hasBTF = false
            return
        }
        defer { btf__free(vmlinux) }
        let wanted = Set(HookDefinition.all.flatMap(\.ways).filter { $0.needs != .tracepoint }.map(\.function))
        hasFunctionReturn = Self.hasEnumerator("BPF_FUNC_get_func_ret", of: "bpf_func_id", in: vmlinux)
        hasTaskVMAIterator = btf__find_by_name_kind(vmlinux, "bpf_iter__task_vma", BTFKind.structure) > 0
        findTargets(in: vmlinux, from: 1, module: nil, wanted: wanted)
        let vmlinuxTypes = btf__type_cnt(vmlinux)
        for module in Self.vfioModules where Files.exists("/sys/kernel/btf/\(module)") {
            guard let btf = btf__load_module_btf(module, vmlinux) else { continue }
            findTargets(in: btf, from: vmlinuxTypes, module: module, wanted: wanted)
            if Self.hasMember("vma_list", of: "vfio_pci_core_device", in: btf) { listsBarAreas = true }
            btf__free(btf)
        }
        // If vfio is built into the kernel, its types are in vmlinux.
        if !hasModuleBTF, targets["vfio_pin_pages_remote"] != nil {
            hasModuleBTF = true
            listsBarAreas = Self.hasMember("vma_list", of: "vfio_pci_core_device", in: vmlinux)
        }
        if !canUseFexit { symbols = KernelSymbols.addresses(of: wanted) }
    }

    /// fentry and fexit need BTF of the modules and the return-value helper. If one is missing,
    /// kprobes are used for everything.
    var canUseFexit: Bool { hasFunctionReturn && (hasModuleBTF || !hasVFIO) }

    /// Whether there can be areas of BARs that a zap does not reach, and the tool can scan for
    /// them.
    var canScanForKeptBars: Bool { listsBarAreas && canUseFexit && hasTaskVMAIterator && machine == "x86_64" }

    /// Whether kprobes may read VFIO's structs at the offsets in bpf/offsets_5_10.h.
    var hasKnownOffsets: Bool { release.hasPrefix("5.10.") && machine == "x86_64" }

    /// The first way to attach `hook` that this kernel allows now, or nil.
    func way(for hook: HookDefinition) -> HookDefinition.Way? {
        hook.ways.first { way in
            switch way.needs {
            case .btf: canUseFexit && targets[way.function] != nil
            case .symbol: !canUseFexit && symbols[way.function] != nil
            case .tracepoint: true
            }
        }
    }

    private mutating func findTargets(in btf: OpaquePointer, from first: UInt32, module: String?, wanted: Set<String>) {
        let isFirstLetter = firstLetters(of: wanted)
        for id in first..<btf__type_cnt(btf) {
            guard let type = btf__type_by_id(btf, id), (type.pointee.info >> 24) & 0x1f == BTFKind.function,
                let name = btf__name_by_offset(btf, type.pointee.name_off),
                isFirstLetter[Int(UInt8(bitPattern: name[0]))]
            else { continue }
            let text = String(cString: name)
            // Of several functions with the same name, the first: libbpf chooses the same.
            if wanted.contains(text), targets[text] == nil { targets[text] = AttachTarget(id: id, module: module) }
        }
    }

    private static func hasMember(_ member: String, of structure: String, in btf: OpaquePointer) -> Bool {
        let id = btf__find_by_name_kind(btf, structure, BTFKind.structure)
        guard id > 0, let type = btf__type_by_id(btf, UInt32(id)) else { return false }
        let members = UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_member.self)
        return (0..<Int(type.pointee.info & 0xffff)).contains { index in
            btf__name_by_offset(btf, members[index].name_off).map { strcmp($0, member) == 0 } ?? false
        }
    }

    private static func hasEnumerator(_ enumerator: String, of name: String, in btf: OpaquePointer) -> Bool {
        let id = btf__find_by_name_kind(btf, name, BTFKind.enumeration)
        guard id > 0, let type = btf__type_by_id(btf, UInt32(id)) else { return false }
        let members = UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_enum.self)
        for index in 0..<Int(type.pointee.info & 0xffff) {
            if let text = btf__name_by_offset(btf, members[index].name_off), strcmp(text, enumerator) == 0 {
                return true
            }
        }
        return false
    }
}
