import CLibbpf
import Glibc

/// A function that fentry and fexit can attach to, by its place in the kernel's BTF.
struct AttachTarget: Equatable {
    /// In the BTF of its module, whose own types are counted on from vmlinux's.
    var id: UInt32
    /// nil: vmlinux.
    var module: String?
}

/// Tells libbpf where the programs of fentry and fexit attach.
///
/// libbpf would find a module's function by going through all names of vmlinux first, for each
/// program anew: some 30 ms each under emulation, and most of the start. `KernelFacts` has seen
/// them all in one pass.
final class AttachTargets {
    /// libbpf calls back with it for every program of the sections below, as long as the process
    /// lives: an object refers to its sections' handlers.
    nonisolated(unsafe) private static let shared = AttachTargets()

    private var targets: [String: AttachTarget] = [:]
    private var descriptors: [String: Int32] = [:]

    private init() {
        var handler = libbpf_prog_handler_opts()
        handler.sz = MemoryLayout<libbpf_prog_handler_opts>.size
        handler.cookie = Int(bitPattern: Unmanaged.passRetained(self).toOpaque())
        handler.prog_prepare_load_fn = { program, options, cookie in
            guard let program, let options, let section = bpf_program__section_name(program) else { return -EINVAL }
            return Unmanaged<AttachTargets>.fromOpaque(UnsafeRawPointer(bitPattern: cookie)!).takeUnretainedValue()
                .aim(options, at: String(cString: section))
        }
        handler.prog_attach_fn = { program, _, link in
            link?.pointee = bpf_program__attach_trace(program)
            return link?.pointee == nil ? -errno : 0
        }
        libbpf_register_prog_handler("fentry+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, &handler)
        libbpf_register_prog_handler("fexit+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, &handler)
    }

    /// To be called before an object is opened.
    static func prepare(_ targets: [String: AttachTarget]) { shared.targets = targets }

    /// Runs `load` with the BTF of the modules at hand.
    static func whileOpen<Result>(_ load: () -> Result) -> Result {
        shared.open()
        defer { shared.close() }
        return load()
    }

    private func aim(_ options: UnsafeMutablePointer<bpf_prog_load_opts>, at section: String) -> Int32 {
        guard let slash = section.firstIndex(of: "/"),
            let target = targets[String(section[section.index(after: slash)...])]
        else { return -ESRCH }
        if let module = target.module {
            guard let descriptor = descriptors[module] else { return -ENOENT }
            options.pointee.attach_btf_obj_fd = UInt32(descriptor)
        }
        options.pointee.attach_btf_id = target.id
        return 0
    }

    private func open() {
        let wanted = Set(targets.values.compactMap(\.module))
        var id: UInt32 = 0
        while descriptors.count < wanted.count, bpf_btf_get_next_id(id, &id) == 0 {
            let descriptor = bpf_btf_get_fd_by_id(id)
            // Another's BTF may be gone meanwhile.
            guard descriptor >= 0 else { continue }
            if let name = Self.kernelName(descriptor), wanted.contains(name) {
                descriptors[name] = descriptor
            } else {
                Glibc.close(descriptor)
            }
        }
    }

    private func close() {
        for descriptor in descriptors.values { Glibc.close(descriptor) }
        descriptors = [:]
    }

    /// The module's name if the BTF is the kernel's own, not a program's.
    private static func kernelName(_ descriptor: Int32) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { name in
            var info = bpf_btf_info()
            var size = UInt32(MemoryLayout<bpf_btf_info>.size)
            info.name = UInt64(UInt(bitPattern: name.baseAddress!))
            info.name_len = UInt32(name.count)
            guard bpf_obj_get_info_by_fd(descriptor, &info, &size) == 0, info.kernel_btf != 0 else { return nil }
            return String(cString: name.baseAddress!)
        }
    }
}
