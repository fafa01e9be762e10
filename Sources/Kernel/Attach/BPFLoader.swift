// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CShim
import CRecords
import Glibc

/// One instance of the BPF object with the programs that the kernel allowed when it was loaded.
///
/// `init` opens and loads the object, `attach` attaches programs, and `close` undoes both. Later
/// instances share the maps of the first.
final class BPFLoader {
    private let object: OpaquePointer
    private var links: [OpaquePointer] = []
    private let kprobes: KprobeAttach?

    static let image: [UInt8] = decodeHex(BPFObject.hex)

    /// Maps that all instances share, so that there is one order of records and one count of them.
    static let sharedMaps = [
        "ring", "counters", "map_states", "map_states_5_10", "owners", "tree", "domain_attaches", "saved",
    ]

    /// Opens the object and loads `programs`.
    ///
    /// - Parameter first: the instance whose maps are shared; nil for the first.
    init(programs: Set<String>, settings: Settings, sharing first: BPFLoader?, facts: KernelFacts) throws(TracerError) {
        vs_libbpf_start_log()
        AttachTargets.prepare(facts.targets)
        kprobes = KprobeAttach(addresses: facts.symbols)
        var options = bpf_object_open_opts()
        options.sz = MemoryLayout<bpf_object_open_opts>.size
        let opened = Self.image.withUnsafeBytes { bytes in
            "vfioscope".withCString { name in
                options.object_name = name
                return bpf_object__open_mem(bytes.baseAddress, bytes.count, &options)
            }
        }
        guard let opened else { throw .loadFailed(release: facts.release, log: Self.log()) }
        object = opened
        var program = bpf_object__next_program(object, nil)
        while let current = program {
            bpf_program__set_autoload(current, programs.contains(String(cString: bpf_program__name(current))))
            program = bpf_object__next_program(object, current)
        }
        Self.setAutocreate(object, "map_states", facts.canUseFexit)
        Self.setAutocreate(object, "map_states_5_10", !facts.canUseFexit)
        Self.setAutocreate(object, "saved", !facts.canUseFexit)
        Self.setAutocreate(object, "cursor", programs.contains("snapshot_files"))
        Self.setAutocreate(object, "table_page", programs.contains("snapshot_files"))
        Self.setAutocreate(object, "wanted_area", programs.contains("snapshot_area"))
        if let ring = bpf_object__find_map_by_name(object, "ring") {
            bpf_map__set_max_entries(ring, settings.ringBytes)
        }
        if let first {
            for name in Self.sharedMaps {
                guard let map = bpf_object__find_map_by_name(object, name), let shared = first.mapDescriptor(name)
                else { continue }
                bpf_map__reuse_fd(map, shared)
            }
        }
        settings.write(into: object)
        let object = object
        let result = AttachTargets.whileOpen { bpf_object__load(object) }
        guard result == 0 else {
            let log = Self.log()
            bpf_object__close(object)
            if result == -EPERM && log.isEmpty { throw .notPrivileged }
            throw .loadFailed(release: facts.release, log: log.isEmpty ? String(cString: strerror(-result)) : log)
        }
    }

    /// Attaches all programs of `way`. If the kernel refuses one, attaches none and returns the
    /// reason.
    func attach(_ way: HookDefinition.Way) -> String? {
        var made: [OpaquePointer] = []
        for name in way.programs {
            guard let program = bpf_object__find_program_by_name(object, name) else { return "no program \(name)" }
            vs_libbpf_start_log()
            guard let link = kprobes?.attach(program) ?? bpf_program__attach(program) else {
                let reason = String(cString: strerror(errno))
                for link in made { bpf_link__destroy(link) }
                return reason
            }
            made.append(link)
        }
        links += made
        return nil
    }

    func program(_ name: String) -> OpaquePointer? { bpf_object__find_program_by_name(object, name) }

    func programDescriptor(_ name: String) -> Int32? {
        guard let program = program(name) else { return nil }
        let descriptor = bpf_program__fd(program)
        return descriptor >= 0 ? descriptor : nil
    }

    func mapDescriptor(_ name: String) -> Int32? {
        guard let map = bpf_object__find_map_by_name(object, name) else { return nil }
        let descriptor = bpf_map__fd(map)
        return descriptor >= 0 ? descriptor : nil
    }

    func valueSize(_ map: String) -> Int? {
        bpf_object__find_map_by_name(object, map).map { Int(bpf_map__value_size($0)) }
    }

    /// Detaches all programs in reverse order: a kretprobe must not outlive the kprobe that saves
    /// its arguments.
    func detach() {
        for link in links.reversed() { bpf_link__destroy(link) }
        links = []
    }

    func close() {
        detach()
        bpf_object__close(object)
    }

    private static func setAutocreate(_ object: OpaquePointer, _ name: String, _ wanted: Bool) {
        if let map = bpf_object__find_map_by_name(object, name) { bpf_map__set_autocreate(map, wanted) }
    }

    /// The last lines of libbpf's and the verifier's log, which end with the cause.
    private static func log() -> String {
        let lines = String(cString: vs_libbpf_last_log()).split(separator: "\n")
        return lines.suffix(12).joined(separator: "\n")
    }

    private static func decodeHex(_ text: StaticString) -> [UInt8] {
        let digits = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        func value(_ digit: UInt8) -> UInt8 { digit < 0x40 ? digit - 0x30 : digit - 0x61 + 10 }
        return [UInt8](unsafeUninitializedCapacity: digits.count / 2) { bytes, count in
            for index in 0..<digits.count / 2 {
                bytes[index] = value(digits[2 * index]) << 4 | value(digits[2 * index + 1])
            }
            count = digits.count / 2
        }
    }
}
