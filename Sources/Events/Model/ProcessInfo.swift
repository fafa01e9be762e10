// SPDX-License-Identifier: Apache-2.0
import CRecords

/// Facts from /proc about the process that acts in an event. It is one immutable reference, created
/// once for each process.
public struct ProcessInfo: Sendable {
    /// The executable's path.
    public var exe: ShortText { facts.exe }
    /// The VM's name, from QEMU's or libvirt's command line; empty for other processes.
    public var vm: ShortText { facts.vm }
    /// The VM's UUID in lower case, from its command line; empty if there is none, or if it
    /// consists of zeros.
    public var vmUUID: String { facts.vmUUID }
    /// The arguments joined by blanks, truncated, without anything that looks like a secret; empty
    /// if they are unknown.
    public var command: String { facts.command }
    /// The path of its control group, or the end of the path if it is long; empty if it is unknown.
    public var cgroupPath: String { facts.cgroupPath }
    /// The names that `cgroupPath` contains: unit, container, pod.
    public var cgroup: CgroupNames { facts.cgroup }
    /// nil if it is unknown.
    public var memoryLock: MemoryLock? { facts.memoryLock }
    /// The name that users know: the VM's, else the container's short id, else the unit unless it
    /// is a login's. Empty for a mere command.
    public var title: String { facts.title }

    private let facts: Facts

    public init(
        exe: ShortText, vm: ShortText = ShortText(), vmUUID: String = "", command: String = "", cgroupPath: String = "",
        memoryLock: MemoryLock? = nil
    ) {
        facts = Facts(
            exe: exe, vm: vm, vmUUID: vmUUID, command: command, cgroupPath: cgroupPath, memoryLock: memoryLock)
    }

    private final class Facts: Sendable {
        let exe: ShortText
        let vm: ShortText
        let vmUUID: String
        let command: String
        let cgroupPath: String
        let cgroup: CgroupNames
        let memoryLock: MemoryLock?
        let title: String

        init(
            exe: ShortText, vm: ShortText, vmUUID: String, command: String, cgroupPath: String, memoryLock: MemoryLock?
        ) {
            self.exe = exe
            self.vm = vm
            let isUUID = vmUUID.utf8.contains { $0 != UInt8(ascii: "0") && $0 != UInt8(ascii: "-") }
            self.vmUUID = isUUID ? vmUUID.lowercased() : ""
            self.command = command
            self.cgroupPath = cgroupPath
            self.memoryLock = memoryLock
            cgroup = CgroupNames(path: cgroupPath)
            if !vm.isEmpty {
                title = vm.string
            } else if !cgroup.containerID.isEmpty {
                title = cgroup.shortContainerID
            } else {
                title = cgroup.isLogin ? "" : cgroup.unit
            }
        }
    }
}

/// How much memory a process may lock. type1 counts the pages that it pins for the process against
/// this limit.
public struct MemoryLock: Hashable, Sendable {
    /// RLIMIT_MEMLOCK's soft limit, bytes; nil for none.
    public var limit: UInt64?
    /// Whether the process has CAP_IPC_LOCK in the initial user namespace: then the limit does not
    /// apply.
    public var isLifted: Bool

    public init(limit: UInt64?, isLifted: Bool) {
        self.limit = limit
        self.isLifted = isLifted
    }

    /// The most bytes that the kernel lets the process lock; nil if there is no limit.
    public var effectiveLimit: UInt64? { isLifted ? nil : limit }
}

extension ProcessInfo {
    /// Reads a `vs_process_info` record; records of the first version end after `vm`.
    init(_ record: UnsafeRawPointer, count: Int) {
        func text(_ field: PartialKeyPath<vs_process_info>, _ capacity: Int32) -> String {
            let start = MemoryLayout<vs_process_info>.offset(of: field)!
            let bytes = UnsafeRawBufferPointer(start: record + start, count: Int(capacity))
            return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        let exe = ShortText(
            copying: record + MemoryLayout<vs_process_info>.offset(of: \.exe)!, count: Int(VS_TEXT_BYTES))
        let vm = ShortText(copying: record + MemoryLayout<vs_process_info>.offset(of: \.vm)!, count: Int(VS_TEXT_BYTES))
        guard count >= MemoryLayout<vs_process_info>.size else {
            self.init(exe: exe, vm: vm)
            return
        }
        let flags = record.load(fromByteOffset: MemoryLayout<vs_process_info>.offset(of: \.flags)!, as: UInt32.self)
        let limit = record.load(
            fromByteOffset: MemoryLayout<vs_process_info>.offset(of: \.memlock_limit)!, as: UInt64.self)
        let memoryLock =
            flags & VS_PROCESS_HAS_LIMITS.rawValue == 0
            ? nil
            : MemoryLock(limit: limit == .max ? nil : limit, isLifted: flags & VS_PROCESS_MAY_LOCK.rawValue != 0)
        self.init(
            exe: exe, vm: vm, vmUUID: text(\.vm_uuid, VS_UUID_BYTES), command: text(\.command, VS_COMMAND_BYTES),
            cgroupPath: text(\.cgroup_path, VS_CGROUP_BYTES), memoryLock: memoryLock)
    }
}
