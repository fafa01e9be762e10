/// Why tracing cannot start or go on: what failed, on what, what to try.
public enum TracerError: Error, Equatable {
    case notPrivileged
    case lockedDown
    case noBTF(release: String)
    case noVFIO(release: String)
    /// kprobes would have to read VFIO's structs by offset, and this kernel's are not known.
    case unknownLayout(release: String)
    case unsupportedKernel(release: String, missing: [String])
    case loadFailed(release: String, log: String)
    case attachFailed(program: String, reason: String)
}

extension TracerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notPrivileged:
            "tracing needs root (CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON): run it with sudo"
        case .lockedDown:
            "the kernel is locked down (confidentiality), so BPF programs may not read its memory: see "
                + "/sys/kernel/security/lockdown"
        case .noBTF(let release):
            "Linux \(release) has no BTF (/sys/kernel/btf/vmlinux): a kernel with CONFIG_DEBUG_INFO_BTF is needed, as "
                + "every Debian kernel since 5.10 has"
        case .noVFIO(let release):
            "VFIO is not loaded on Linux \(release), and nothing was traced: load it (modprobe vfio-pci) and run again"
        case .unknownLayout(let release):
            "Linux \(release) is not supported: it lacks BTF of VFIO's modules or bpf_get_func_ret, and the offsets of "
                + "VFIO's structs are known for 5.10 only; use 5.10, or 5.17 and later with "
                + "CONFIG_DEBUG_INFO_BTF_MODULES"
        case .unsupportedKernel(let release, let missing):
            "Linux \(release) lacks functions that tracing rests on: \(missing.joined(separator: ", ")); `vfioscope "
                + "doctor` shows every hook"
        case .loadFailed(let release, let log):
            "Linux \(release) did not accept the BPF programs. The kernel said:\n\(log)"
        case .attachFailed(let program, let reason):
            "cannot attach \(program): \(reason)"
        }
    }
}
