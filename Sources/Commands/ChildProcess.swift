// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The command that `run` and `record` follow.
package struct ChildProcess {
    package let pid: pid_t
    package private(set) var status: Int32?

    /// Starts `command`, found on PATH, with the tool's own standard streams and default signal
    /// handling.
    package init(_ command: [String]) throws {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&defaults, number) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let result = posix_spawnp(&pid, command[0], nil, &attributes, arguments, environ)
        guard result == 0 else { throw Failure(.cannot, "cannot start \(command[0]): \(describe(result))") }
        self.pid = pid
    }

    /// Checks whether the command has ended, without waiting.
    package mutating func poll() -> Bool {
        if status != nil { return true }
        var raw: Int32 = 0
        guard waitpid(pid, &raw, WNOHANG) == pid else { return false }
        // As a shell reports it: the exit status, or 128 plus the signal's number.
        status = raw & 0x7f == 0 ? (raw >> 8) & 0xff : 128 + (raw & 0x7f)
        return true
    }

    package func signal(_ number: Int32) { kill(pid, number) }
}
