// SPDX-License-Identifier: Apache-2.0
import Events

/// What can be traced on this host: the report of `doctor`, made without loading anything.
public struct Diagnosis {
    public struct Check: Sendable {
        public var isGood: Bool
        /// If the check fails, nothing can be traced.
        public var isFatal: Bool
        public var text: String
    }

    public private(set) var checks: [Check] = []
    public private(set) var hooks: [Session.Hook] = []
    public let hasVFIO: Bool
    public let hasOnlyIOMMUFD: Bool

    public var isFatal: Bool { checks.contains { !$0.isGood && $0.isFatal } }

    public init() {
        let facts = KernelFacts()
        hasVFIO = facts.hasVFIO && facts.hasType1
        hasOnlyIOMMUFD = facts.hasOnlyIOMMUFD
        add(true, "Linux \(facts.release) on \(facts.machine)")
        do throws(TracerError) {
            try Privileges.check()
            add(true, "this process may trace (CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON)")
        } catch {
            add(false, error.description, fatal: true)
        }
        add(
            facts.hasBTF,
            facts.hasBTF
                ? "the kernel has BTF, which describes its types"
                : TracerError.noBTF(release: facts.release).description,
            fatal: true)
        let absent = KernelFacts.vfioModules.filter { !facts.loadedModules.contains($0) }
        add(
            hasVFIO,
            hasVFIO
                ? "VFIO and its type1 IOMMU driver are loaded"
                : hasOnlyIOMMUFD
                    ? TracerError.onlyIOMMUFD(release: facts.release).description
                    : "VFIO is not loaded (missing: \(absent.joined(separator: ", "))): load it with modprobe "
                        + "vfio-pci; tracing can start before that and waits for it"
        )
        if facts.hasBTF, !facts.canUseFexit, !facts.hasKnownOffsets {
            add(false, TracerError.unknownLayout(release: facts.release).description, fatal: true)
        }
        if hasVFIO, facts.canUseFexit || facts.hasKnownOffsets {
            add(
                facts.canUseFexit,
                facts.canUseFexit
                    ? "fentry and fexit can attach to VFIO's modules"
                    : "VFIO's modules have no BTF, or the kernel has no bpf_get_func_ret (before Linux 5.17): kprobes "
                        + "are used, with the struct offsets of Linux 5.10"
            )
        }
        add(
            !PCIScan.windows().isEmpty,
            PCIScan.windows().isEmpty
                ? "/proc/iomem hides its addresses: every pinned page is recorded as if it were device memory"
                : "\(PCIScan.windows().count) PCI windows distinguish device memory from RAM")
        if hasVFIO, KernelFacts.hasIOMMUFD {
            add(
                false,
                "iommufd is present: what a device maps through it is not traced, so a device that is bound to it "
                    + "makes the evidence incomplete")
        }
        if hasVFIO { addTargets() }
        addInterrupts()
        if hasVFIO, facts.hasVFIOPCI { addKeptBars(facts) }
        for hook in HookDefinition.all where !hook.followsCommand && !hook.watchesForVFIO {
            if let way = facts.way(for: hook) {
                hooks.append(Session.Hook(name: hook.name, function: way.function, how: way.how))
            } else {
                hooks.append(Session.Hook(name: hook.name, function: Self.names(hook), how: "missing"))
            }
        }
        let missing = hooks.filter { $0.how == "missing" }
        let essential = Set(HookDefinition.all.filter(\.isEssential).map(\.name))
        if hasVFIO, facts.hasVFIOPCI, missing.contains(where: { essential.contains($0.name) }) {
            add(
                false,
                "hooks that tracing needs are missing: "
                    + "\(missing.filter { essential.contains($0.name) }.map(\.name).joined(separator: ", "))",
                fatal: true)
        }
    }

    /// Whether a snapshot can read where mappings lead that were made before tracing began.
    private mutating func addTargets() {
        let unknown =
            "where mappings lead that were made before tracing began is unknown, which makes the evidence "
            + "incomplete (from Linux 6.18 on, only of those that are not all RAM)"
        if !MemoryLayoutScan.hasVTd {
            add(false, "this host's IOMMU is not an Intel VT-d, whose page tables a snapshot reads: \(unknown)")
        } else if MemoryLayoutScan.directMap() == 0 {
            add(
                false,
                "/proc/kcore, which shows where page tables are, cannot be read (it takes CAP_SYS_RAWIO, and some "
                    + "container runtimes mask it): \(unknown)")
        } else {
            add(true, "a snapshot reads from the IOMMU's page tables (Intel VT-d) where mappings lead")
        }
    }

    private mutating func addInterrupts() {
        guard let remaps = InterruptScan.remaps() else { return }
        if remaps {
            add(true, "interrupts are remapped: a device can raise only its own")
        } else if InterruptScan.allowsUnsafe == true {
            add(
                false,
                "interrupts are not remapped, and allow_unsafe_interrupts of vfio_iommu_type1 is set: a device that is "
                    + "assigned to a user can raise any interrupt of the host"
            )
        } else {
            add(
                false,
                "interrupts are not remapped: VFIO refuses to attach groups unless allow_unsafe_interrupts of "
                    + "vfio_iommu_type1 is set"
            )
        }
    }

    /// What becomes of child-keeps-bar. Its hook is missing on kernels on which BARs cannot be
    /// kept, and that is no fault.
    private mutating func addKeptBars(_ facts: KernelFacts) {
        if facts.canScanForKeptBars {
            add(
                true,
                "vfio-pci revokes BARs by a list of the areas that map them: processes are scanned for copies that "
                    + "are not on it (child-keeps-bar)"
            )
        } else if facts.listsBarAreas {
            add(
                false,
                "vfio-pci revokes BARs by a list of the areas that map them, and on this host vfioscope cannot scan "
                    + "processes for copies that are not on it (child-keeps-bar)"
            )
        } else if facts.canUseFexit {
            add(true, "vfio-pci revokes BARs wherever they are mapped: child-keeps-bar cannot occur")
        } else {
            add(true, "a forked child gets no pages of a BAR from its parent: child-keeps-bar is not checked")
        }
    }

    private static func names(_ hook: HookDefinition) -> String {
        var names: [String] = []
        for way in hook.ways where !names.contains(way.function) { names.append(way.function) }
        return names.joined(separator: " or ")
    }

    private mutating func add(_ isGood: Bool, _ text: String, fatal: Bool = false) {
        checks.append(Check(isGood: isGood, isFatal: fatal, text: text))
    }
}
