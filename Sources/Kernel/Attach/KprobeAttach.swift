// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CShim
import Glibc

/// Attaches kprobes and kretprobes by address instead of by name.
///
/// For a name, Linux 5.10 searches all its symbols each time, which was three quarters of the
/// tool's start there.
struct KprobeAttach {
    /// perf's number for kprobes (`perf_kprobe`, Linux 4.17).
    private let type: UInt32
    private let addresses: [String: UInt64]

    /// nil where the kernel has no perf events for kprobes.
    init?(addresses: [String: UInt64]) {
        guard !addresses.isEmpty,
            let type = Files.text("/sys/bus/event_source/devices/kprobe/type").flatMap({ UInt32($0) }),
            Files.text("/sys/bus/event_source/devices/kprobe/format/retprobe") == "config:0"
        else { return nil }
        self.type = type
        self.addresses = addresses
    }

    /// Attaches `program`. Returns nil when the program is of another kind, the address of its
    /// function is unknown, or the kernel refuses; the caller then tries `bpf_program__attach`.
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
