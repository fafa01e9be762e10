import CLibbpf
import CShim
import Glibc

/// Attaches kprobes and kretprobes by address.
///
/// Given a name, Linux 5.10 searches all its symbols for it: three quarters of the tool's start
/// there.
struct KprobeAttach {
    /// perf's number for kprobes (`perf_kprobe`, Linux 4.17).
    private let type: UInt32
    private let addresses: [String: UInt64]

    /// nil where the kernel has no such events.
    init?(addresses: [String: UInt64]) {
        guard !addresses.isEmpty,
            let type = Files.text("/sys/bus/event_source/devices/kprobe/type").flatMap({ UInt32($0) }),
            Files.text("/sys/bus/event_source/devices/kprobe/format/retprobe") == "config:0"
        else { return nil }
        self.type = type
        self.addresses = addresses
    }

    /// nil, and `bpf_program__attach` may do better, when the program is of another kind, its
    /// function's address is not known, or the kernel refuses.
    func attach(_ program: OpaquePointer) -> OpaquePointer? {
        let section = String(cString: bpf_program__section_name(program)).split(separator: "/", maxSplits: 1)
        guard section.count == 2, section[0] == "kprobe" || section[0] == "kretprobe",
            let address = addresses[String(section[1])], address != 0
        else { return nil }
        let event = vs_open_kprobe(type, address, section[0] == "kretprobe")
        guard event >= 0 else { return nil }
        guard let link = bpf_program__attach_perf_event(program, event) else {
            close(event)
            return nil
        }
        return link
    }
}
