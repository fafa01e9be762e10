// SPDX-License-Identifier: Apache-2.0
import CLibbpf

/// Checks whether this process may trace: its capabilities, and the kernel's lockdown.
enum Privileges {
    /// - Throws: `notPrivileged` or `lockedDown`.
    static func check() throws(TracerError) {
        let status = Files.text("/proc/self/status") ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") } ?? ""
        let effective = line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } ?? 0
        let admin: UInt64 = 1 << CAP_SYS_ADMIN, perfmon: UInt64 = 1 << CAP_PERFMON, bpf: UInt64 = 1 << CAP_BPF
        guard effective & admin != 0 || effective & (perfmon | bpf) == perfmon | bpf else { throw .notPrivileged }
        if (Files.text("/sys/kernel/security/lockdown") ?? "").contains("[confidentiality]") { throw .lockedDown }
    }
}
