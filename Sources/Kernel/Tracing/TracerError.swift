// SPDX-License-Identifier: Apache-2.0
/// Why tracing cannot start or continue. Each message names what failed, on what, and what to try.
public enum TracerError: Error, Equatable {
    case notPrivileged
    case lockedDown
    case noBTF(release: String)
    case noVFIO(release: String)
    /// VFIO is there, but not its type1 driver: devices can be used only through iommufd.
    case onlyIOMMUFD(release: String)
    /// kprobes would have to read VFIO's structs by offset, and the offsets are not known for this
    /// kernel.
    case unknownLayout(release: String)
    case unsupportedKernel(release: String, missing: [String])
    case loadFailed(release: String, log: String)
    case attachFailed(function: String, reason: String)
}

extension TracerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notPrivileged:
            "tracing needs root (CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON): run vfioscope with sudo"
        case .lockedDown:
            "the kernel is locked down in confidentiality mode, so BPF programs may not read its memory (see "
                + "/sys/kernel/security/lockdown): boot without lockdown=confidentiality"
        case .noBTF(let release):
            "Linux \(release) has no BTF (/sys/kernel/btf/vmlinux is missing): use a kernel built with "
                + "CONFIG_DEBUG_INFO_BTF, such as Debian's since 5.10"
        case .noVFIO(let release):
            "VFIO is not loaded on Linux \(release), so nothing was traced: load it with modprobe vfio-pci and run "
                + "vfioscope again"
        case .onlyIOMMUFD(let release):
            "vfio_iommu_type1 is not loaded on Linux \(release), and iommufd is: devices are used through iommufd, "
                + "which vfioscope does not trace, so nothing can be concluded about this host"
        case .unknownLayout(let release):
            "Linux \(release) is not supported: it has no BTF of VFIO's modules or no bpf_get_func_ret, and without "
                + "these the layout of VFIO's structs is known for 5.10 on x86-64 only; use 5.10, or 5.17 or later "
                + "with CONFIG_DEBUG_INFO_BTF_MODULES"
        case .unsupportedKernel(let release, let missing):
            "Linux \(release) lacks functions that tracing needs: \(missing.joined(separator: ", ")); run `vfioscope "
                + "doctor` to see every hook"
        case .loadFailed(let release, let log):
            "cannot load the BPF programs on Linux \(release):\n\(log)"
        case .attachFailed(let function, let reason):
            "cannot attach to the kernel's function \(function): \(reason); run `vfioscope doctor` to see every hook"
        }
    }
}
