// SPDX-License-Identifier: Apache-2.0
import Events

/// What is known of a process, as members of a JSON object; what is not known is left out.
extension ByteWriter {
    /// Appends the names that people know the process by: on findings and in graphs.
    mutating func append(names info: ProcessInfo?) {
        guard let info else { return }
        if !info.vm.isEmpty { member(.vm, info.vm) }
        member(.vmUUID, unlessEmpty: info.vmUUID)
        member(.unit, unlessEmpty: info.cgroup.unit)
        member(.containerID, unlessEmpty: info.cgroup.containerID)
        member(.pod, unlessEmpty: info.cgroup.pod)
    }

    /// Appends everything, as a `process` line has it.
    mutating func append(facts info: ProcessInfo) {
        if !info.exe.isEmpty { member(.exe, info.exe) }
        append(names: info)
        member(.cgroupPath, unlessEmpty: info.cgroupPath)
        member(.command, unlessEmpty: info.command)
        guard let lock = info.memoryLock else { return }
        member(.memlockLimit, orNull: lock.limit)
        member(.ipcLock, lock.isLifted)
    }

    private mutating func member(_ word: TimelineWord, unlessEmpty value: String) {
        if !value.isEmpty { member(word, value) }
    }
}
