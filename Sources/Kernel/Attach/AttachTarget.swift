// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// A function to which fentry and fexit can attach, identified by its place in the kernel's BTF.
struct AttachTarget: Equatable {
    /// The type's id in the BTF of its module, whose own types are numbered from the end of
    /// vmlinux's.
    var id: UInt32
    /// nil for vmlinux.
    var module: String?
}

/// Hands libbpf the attach targets of fentry and fexit programs.
///
/// By itself libbpf searches all names of vmlinux before those of the modules, again for each
/// program: some 30 ms each under emulation, which was most of the start. `KernelFacts` finds all
/// of them in one pass.
final class AttachTargets {
    /// libbpf calls its handlers for every program of the sections below, and an object refers to
    /// the handlers of its sections: so it lives as long as the process.
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

    /// Call this before an object is opened.
    static func prepare(_ targets: [String: AttachTarget]) { shared.targets = targets }

    /// Runs `load` while the descriptors of the modules' BTF are open.
    static func whileOpen<Result>(_ load: () -> Result) -> Result {
        shared.open()
        defer { shared.close() }
        return load()
    }

    /// Sets the attach target of the program in `section` ("fentry/FUNCTION"); returns 0 or a
    /// negative errno.
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
            // The BTF of another program or module may have gone meanwhile.
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

    /// The module's name; nil if the BTF belongs to a BPF program.
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
