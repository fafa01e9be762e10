import Events

/// What is known of a process, as JSON members each behind a comma; what is not known is left out.
extension ByteWriter {
    /// Appends what names the process to people: of findings and of graphs.
    mutating func append(names info: ProcessInfo?) {
        guard let info else { return }
        if !info.vm.isEmpty {
            append(#","vm":"#)
            append(json: info.vm)
        }
        member(#","vm_uuid":"#, info.vmUUID)
        member(#","unit":"#, info.cgroup.unit)
        member(#","container_id":"#, info.cgroup.containerID)
        member(#","pod":"#, info.cgroup.pod)
    }

    /// Appends everything, as a `process` line has it.
    mutating func append(facts info: ProcessInfo) {
        if !info.exe.isEmpty {
            append(#","exe":"#)
            append(json: info.exe)
        }
        append(names: info)
        member(#","cgroup_path":"#, info.cgroupPath)
        member(#","command":"#, info.command)
        guard let lock = info.memoryLock else { return }
        append(#","memlock_limit":"#)
        if let limit = lock.limit { append(limit) } else { append("null") }
        append(lock.isLifted ? #","ipc_lock":true"# : #","ipc_lock":false"#)
    }

    private mutating func member(_ key: StaticString, _ value: String) {
        guard !value.isEmpty else { return }
        append(key)
        append(json: value)
    }
}
