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

    public var isFatal: Bool { checks.contains { !$0.isGood && $0.isFatal } }

    public init() {
        let facts = KernelFacts()
        hasVFIO = facts.hasVFIO && facts.hasType1
        add(true, "Linux \(facts.release) on \(facts.machine)")
        do throws(TracerError) {
            try Privileges.check()
            add(true, "may trace (CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON)")
        } catch {
            add(false, error.description, fatal: true)
        }
        add(
            facts.hasBTF,
            facts.hasBTF
                ? "the kernel describes its types (BTF)" : TracerError.noBTF(release: facts.release).description,
            fatal: true)
        let absent = KernelFacts.vfioModules.filter { !facts.loadedModules.contains($0) }
        add(
            hasVFIO,
            hasVFIO
                ? "VFIO and its type1 IOMMU driver are loaded"
                : "VFIO is not loaded (\(absent.joined(separator: ", "))): modprobe vfio-pci; tracing may start "
                    + "first and waits for it"
        )
        if facts.hasBTF, !facts.canUseFexit, !facts.hasKnownOffsets {
            add(false, TracerError.unknownLayout(release: facts.release).description, fatal: true)
        }
        if hasVFIO, facts.canUseFexit || facts.hasKnownOffsets {
            add(
                facts.canUseFexit,
                facts.canUseFexit
                    ? "fentry and fexit reach VFIO's modules"
                    : "no BTF of VFIO's modules, or no bpf_get_func_ret (before Linux 5.17): kprobes are used, with "
                        + "the struct offsets of Linux 5.10"
            )
        }
        add(
            !PCIScan.windows().isEmpty,
            PCIScan.windows().isEmpty
                ? "/proc/iomem hides its addresses: every pinned page is looked at, not only device memory"
                : "\(PCIScan.windows().count) PCI windows tell device memory from RAM")
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
                "hooks that tracing rests on are missing: "
                    + "\(missing.filter { essential.contains($0.name) }.map(\.name).joined(separator: ", "))",
                fatal: true)
        }
    }

    private mutating func addInterrupts() {
        guard let remaps = InterruptScan.remaps() else { return }
        if remaps {
            add(true, "interrupts are remapped: a device raises only its own")
        } else if InterruptScan.allowsUnsafe == true {
            add(
                false,
                "interrupts are not remapped, and allow_unsafe_interrupts of vfio_iommu_type1 is set: a device given "
                    + "away can raise any interrupt of the host"
            )
        } else {
            add(
                false,
                "interrupts are not remapped: VFIO attaches no group unless allow_unsafe_interrupts of "
                    + "vfio_iommu_type1 is set"
            )
        }
    }

    /// What becomes of child-keeps-bar. Its hook is missing on kernels on which BARs cannot be kept,
    /// and that is no fault.
    private mutating func addKeptBars(_ facts: KernelFacts) {
        if facts.canScanForKeptBars {
            add(
                true,
                "vfio-pci keeps a list of the BAR areas that it can take away: copies of them that are not on it are "
                    + "looked for (child-keeps-bar)"
            )
        } else if facts.listsBarAreas {
            add(
                false,
                "vfio-pci keeps a list of the BAR areas that it can take away, and copies that are not on it cannot be "
                    + "looked for here (child-keeps-bar)"
            )
        } else if facts.canUseFexit {
            add(true, "vfio-pci takes BARs away wherever they are mapped: there is nothing for child-keeps-bar to find")
        } else {
            add(true, "a forked child gets no pages of a BAR from its parent: child-keeps-bar is not looked for")
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
