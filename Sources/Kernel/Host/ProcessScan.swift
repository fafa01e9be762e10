// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CRecords
import Events
import Glibc

/// Scans /proc for a process: its executable, command line, the VM it runs, its control group, and
/// how much memory it may lock.
enum ProcessScan {
    /// Calls `body` with a VS_PROCESS_INFO record for the process of `header`, unless the process
    /// has exited.
    static func record(for header: vs_header, _ body: (UnsafeRawPointer, Int) -> Void) {
        let folder = "/proc/\(header.tgid)"
        guard let exe = Files.linkTarget("\(folder)/exe") else { return }
        let command = ProcessArguments(cmdline: Files.read("\(folder)/cmdline", limit: 1 << 16) ?? [])
        var record = vs_process_info()
        record.h = header
        record.h.type = UInt16(VS_PROCESS_INFO.rawValue)
        record.h.size = UInt16(MemoryLayout<vs_process_info>.size)
        withUnsafeMutableBytes(of: &record.exe) { PCIScan.copy(exe, into: $0) }
        withUnsafeMutableBytes(of: &record.vm) { PCIScan.copy(command.vmName ?? "", into: $0) }
        withUnsafeMutableBytes(of: &record.vm_uuid) { PCIScan.copy(command.vmUUID ?? "", into: $0) }
        withUnsafeMutableBytes(of: &record.command) { PCIScan.copy(command.text, into: $0) }
        let path = Files.text("\(folder)/cgroup").map { cgroupPath($0, limit: Int(VS_CGROUP_BYTES) - 1) } ?? ""
        withUnsafeMutableBytes(of: &record.cgroup_path) { PCIScan.copy(path, into: $0) }
        if let limits = Files.text("\(folder)/limits"), let limit = memlockLimit(limits),
            let status = Files.text("\(folder)/status")
        {
            record.memlock_limit = limit
            record.flags = VS_PROCESS_HAS_LIMITS.rawValue
            let isOwnNamespace = Files.linkTarget("\(folder)/ns/user") == Files.linkTarget("/proc/self/ns/user")
            if mayLock(status), isOwnNamespace { record.flags |= VS_PROCESS_MAY_LOCK.rawValue }
        }
        withUnsafeBytes(of: &record) { body($0.baseAddress!, $0.count) }
    }

    /// The control group's path, or the last `limit` bytes of it: that of the v2 line (`0::/…`),
    /// else of v1's `name=systemd` line, else of the first line whose path is not the root.
    static func cgroupPath(_ lines: String, limit: Int) -> String {
        var named = "", other = "", unified = ""
        for line in lines.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            if fields[1].isEmpty {
                unified = String(fields[2])
            } else if fields[1] == "name=systemd" {
                named = String(fields[2])
            } else if other.isEmpty, fields[2] != "/" {
                other = String(fields[2])
            }
        }
        // On a hybrid host, the v2 line of a process that v1 controls has the root's path.
        let path = [unified, named, other].first { !$0.isEmpty && $0 != "/" } ?? unified
        return path.utf8.count <= limit ? path : String(decoding: path.utf8.suffix(limit), as: UTF8.self)
    }

    /// RLIMIT_MEMLOCK's soft limit in bytes from the text of /proc/PID/limits; all ones when there
    /// is no limit.
    static func memlockLimit(_ limits: String) -> UInt64? {
        let name = "Max locked memory"
        guard let line = limits.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
            let soft = line.dropFirst(name.utf8.count).split(separator: " ").first
        else { return nil }
        return soft == "unlimited" ? .max : UInt64(soft)
    }

    /// Whether CAP_IPC_LOCK is effective, from the text of /proc/PID/status.
    static func mayLock(_ status: String) -> Bool {
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("CapEff:") }),
            let set = UInt64(line.dropFirst(7).drop { $0 == " " || $0 == "\t" }, radix: 16)
        else { return false }
        return set & (1 << CAP_IPC_LOCK) != 0
    }
}
