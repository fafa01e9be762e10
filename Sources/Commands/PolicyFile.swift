// SPDX-License-Identifier: Apache-2.0
import Glibc
import Policies

/// Reads a policy from its file.
package struct PolicyFile {
    /// The most bytes of a policy: far more than anyone writes by hand.
    private static let limit = 4 << 20

    package let path: String
    package let policy: Policy

    /// - Throws: `Failure`, with exit status 3 if the file cannot be read, and 2 with all errors if
    ///   it is not a valid policy.
    package init(_ path: String) throws {
        self.path = path
        let bytes = try Self.read(path)
        do throws(PolicyErrors) { policy = try Policy(toml: bytes) } catch {
            // The first line receives its prefix when it is reported.
            throw Failure(.usage, error.errors.map { "\(path):\($0)" }.joined(separator: "\nvfioscope: "))
        }
    }

    /// Reports on stderr what the policy has changed.
    package func explain(_ use: PolicyUse?, reportsUnused: Bool) {
        guard let use else { return }
        for line in use.notes(policy, name: path, reportsUnused: reportsUnused) { printLine("vfioscope: \(line)") }
    }

    private static func read(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(.cannot, "cannot open the policy \(path): \(describe(errno))") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while true {
            var got = 0
            let room = 64 << 10
            bytes += [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                repeat { got = Glibc.read(descriptor, buffer.baseAddress, room) } while got < 0 && errno == EINTR
                count = max(0, got)
            }
            if got < 0 { throw Failure(.cannot, "cannot read the policy \(path): \(describe(errno))") }
            if got == 0 { return bytes }
            if bytes.count > limit { throw Failure(.usage, "\(path): a policy has at most \(limit >> 20) MiB") }
        }
    }
}
