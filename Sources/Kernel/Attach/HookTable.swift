// SPDX-License-Identifier: Apache-2.0
/// The table of hooks: each with the ways to attach it, the preferred one first. A hook is one line
/// here and one body in bpf/hooks; `ObjectTests` fails if one of the two is missing.
///
/// A program's name in the object shows how it attaches: `fentry_F` and `fexit_F` (by BTF; Linux
/// 5.17 and later for the return value), `probe_F` (kprobe), `entry_F` with `return_F` (kprobe and
/// kretprobe), `on_*` (raw tracepoint).
struct HookDefinition: Sendable {
    struct Way: Sendable {
        var function: String
        var programs: [String]
        var how: String
        /// Where its function must be known: in BTF for fentry and fexit, in kallsyms for kprobes.
        var needs: Need
    }

    enum Need: Sendable { case btf, symbol, tracepoint }

    var name: String
    /// Without an essential hook the graph would be wrong, so tracing does not start.
    var isEssential: Bool
    /// Loaded only when a command is followed, because it runs at every fork on the host.
    var followsCommand = false
    /// Loaded only if VFIO is not loaded when tracing begins.
    var watchesForVFIO = false
    var ways: [Way]

    static func fentry(_ function: String) -> Way {
        Way(function: function, programs: ["fentry_\(function)"], how: "fentry", needs: .btf)
    }
    static func fexit(_ function: String) -> Way {
        Way(function: function, programs: ["fexit_\(function)"], how: "fexit", needs: .btf)
    }
    static func kprobe(_ function: String) -> Way {
        Way(function: function, programs: ["probe_\(function)"], how: "kprobe", needs: .symbol)
    }
    static func kretprobe(_ function: String) -> Way {
        Way(
            function: function, programs: ["entry_\(function)", "return_\(function)"], how: "kretprobe", needs: .symbol)
    }
    static func tracepoint(_ name: String, program: String) -> Way {
        Way(function: name, programs: [program], how: "raw_tp", needs: .tracepoint)
    }

    static func entry(_ name: String, _ function: String, essential: Bool = true) -> Self {
        Self(name: name, isEssential: essential, ways: [fentry(function), kprobe(function)])
    }

    static func exit(_ name: String, _ function: String, essential: Bool = true) -> Self {
        Self(name: name, isEssential: essential, ways: [fexit(function), kretprobe(function)])
    }

    static let all: [Self] = [
        exit("container-open", "vfio_fops_open"),
        entry("container-close", "vfio_fops_release"),
        exit("iommu-open", "vfio_iommu_type1_open"),
        exit("iommu-attach", "vfio_iommu_type1_attach_group"),
        entry("iommu-detach-begin", "vfio_iommu_type1_detach_group"),
        exit("iommu-detach-end", "vfio_iommu_type1_detach_group"),
        entry("iommu-release-begin", "vfio_iommu_type1_release"),
        exit("iommu-release-end", "vfio_iommu_type1_release"),
        exit("group-open", "vfio_group_fops_open"),
        entry("group-close", "vfio_group_fops_release"),
        Self(
            name: "group-attach", isEssential: true,
            ways: [fexit("vfio_container_attach_group"), kretprobe("vfio_group_fops_unl_ioctl")]),
        Self(
            name: "group-detach", isEssential: true,
            ways: [fentry("vfio_group_detach_container"), kprobe("__vfio_group_unset_container")]),
        Self(
            name: "device-open", isEssential: true,
            ways: [fexit("vfio_df_open"), fexit("vfio_group_fops_unl_ioctl"), kretprobe("vfio_group_fops_unl_ioctl")]),
        entry("device-close", "vfio_device_fops_release"),
        Self(
            name: "device-first-open", isEssential: true,
            ways: [fexit("vfio_pci_core_enable"), kretprobe("vfio_pci_open")]),
        Self(
            name: "device-last-close", isEssential: true,
            ways: [fexit("vfio_pci_core_close_device"), kretprobe("vfio_pci_disable")]),
        Self(name: "bar-mmap", isEssential: false, ways: [fexit("vfio_pci_core_mmap"), kretprobe("vfio_pci_mmap")]),
        // The function is gone in 6.10; on 5.10 the hook would serve no purpose (bpf/kept_bars.h).
        Self(name: "bar-copy", isEssential: false, ways: [fentry("vfio_pci_mmap_open")]),
        exit("pin-pages", "vfio_pin_pages_remote"),
        entry("dma-unmap-begin", "vfio_iommu_type1_ioctl", essential: false),
        exit("dma-map-unmap", "vfio_iommu_type1_ioctl"),
        entry("dma-remove", "vfio_remove_dma"),
        entry("config-write-begin", "vfio_basic_config_write", essential: false),
        exit("config-write", "vfio_basic_config_write"),
        exit("host-config-byte", "pci_user_write_config_byte", essential: false),
        exit("host-config-word", "pci_user_write_config_word", essential: false),
        exit("host-config-dword", "pci_user_write_config_dword", essential: false),
        entry("reset-begin", "pci_try_reset_function", essential: false),
        exit("reset-end", "pci_try_reset_function", essential: false),
        entry("reset-locked-begin", "__pci_reset_function_locked", essential: false),
        exit("reset-locked-end", "__pci_reset_function_locked", essential: false),
        entry("bus-reset-begin", "pci_reset_bus", essential: false),
        exit("bus-reset-end", "pci_reset_bus", essential: false),
        // Runtime power management calls the inner function (__), which 5.10 does not have.
        Self(
            name: "power", isEssential: false,
            ways: [fexit("__pci_set_power_state"), fexit("pci_set_power_state"), kretprobe("pci_set_power_state")]),
        exit("power-up", "pci_power_up", essential: false),
        entry("driver-bind", "driver_bound", essential: false),
        Self(
            name: "driver-unbind", isEssential: false,
            ways: [fentry("device_unbind_cleanup"), kretprobe("__device_release_driver")]),
        entry("device-remove", "pci_stop_bus_device", essential: false),
        entry("device-add", "pci_bus_add_device", essential: false),
        exit("bar-assign", "pci_assign_resource", essential: false),
        Self(name: "dma-buf-export", isEssential: false, ways: [fexit("vfio_pci_core_feature_dma_buf")]),
        Self(name: "dma-buf-move", isEssential: false, ways: [fexit("vfio_pci_dma_buf_move")]),
        Self(name: "dma-buf-release", isEssential: false, ways: [fentry("vfio_pci_dma_buf_release")]),
        Self(name: "process-exit", isEssential: false, ways: [tracepoint("sched_process_exit", program: "on_exit")]),
        Self(name: "process-exec", isEssential: false, ways: [tracepoint("sched_process_exec", program: "on_exec")]),
        Self(
            name: "process-fork", isEssential: false, followsCommand: true,
            ways: [tracepoint("sched_process_fork", program: "on_fork")]),
        Self(
            name: "domain-attach", isEssential: false, watchesForVFIO: true,
            ways: [tracepoint("attach_device_to_domain", program: "on_domain_attach")]),
        Self(name: "module-load", isEssential: false, ways: [tracepoint("module_load", program: "on_module")]),
    ]
}
