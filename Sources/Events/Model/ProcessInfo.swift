import CRecords

/// What /proc says about the process that acts in this event: one immutable reference, made once a
/// process.
public struct ProcessInfo: Sendable {
    /// The executable's path.
    public var exe: ShortText { facts.exe }
    /// The VM's name, from QEMU's or libvirt's command line; empty for anything else.
    public var vm: ShortText { facts.vm }
    /// The VM's UUID in lower case, from its command line; empty where there is none, or one of
    /// zeros.
    public var vmUUID: String { facts.vmUUID }
    /// The arguments joined by blanks, cut, and without what looks like a secret; empty where they
    /// are not known.
    public var command: String { facts.command }
    /// The path of its control group, or the end of that; empty where it is not known.
    public var cgroupPath: String { facts.cgroupPath }
    /// Whose `cgroupPath` it is.
    public var cgroup: CgroupNames { facts.cgroup }
    /// nil where it is not known.
    public var memoryLock: MemoryLock? { facts.memoryLock }
    /// What people know it by: the VM, else the container's short id, else the unit unless that is
    /// a login's. Empty for a mere command.
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

/// How much memory a process may have locked: what type1 counts the pages against that it pins for
/// it.
public struct MemoryLock: Hashable, Sendable {
    /// RLIMIT_MEMLOCK's soft limit, bytes; nil for none.
    public var limit: UInt64?
    /// CAP_IPC_LOCK in the initial user namespace: the limit does not hold then.
    public var isLifted: Bool

    public init(limit: UInt64?, isLifted: Bool) {
        self.limit = limit
        self.isLifted = isLifted
    }

    /// Bytes that the kernel refuses to go beyond, nil when it refuses none.
    public var effectiveLimit: UInt64? { isLifted ? nil : limit }
}

extension ProcessInfo {
    /// Reads a `vs_process_info` record; the first ones ended behind `vm`.
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
