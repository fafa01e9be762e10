import ArgumentParser
import Events
import Glibc
import Policies

/// `--policy FILE`, for the commands that judge.
struct PolicyOption: ParsableArguments {
    /// Bytes; far more than anyone writes by hand.
    private static let limit = 4 << 20

    @Option(
        name: .customLong("policy"),
        help: ArgumentHelp("Severities, debounce, allowed and suppressed findings: docs/policy.md.", valueName: "file"))
    var path: String?

    /// - Throws: `Failure` with exit status 3 when it cannot be read, and 2, with all that is
    ///   wrong, when it is no policy.
    func load() throws -> Policy? {
        guard let path else { return nil }
        let bytes = try Self.read(path)
        do throws(PolicyErrors) { return try Policy(toml: bytes) } catch {
            // The first line gets its prefix when it is reported.
            throw Failure(.usage, error.errors.map { "\(path):\($0)" }.joined(separator: "\nvfioscope: "))
        }
    }

    /// Says on stderr what the policy did.
    func explain(_ use: PolicyUse?, _ policy: Policy?, tellsUnused: Bool) {
        guard let path, let use, let policy else { return }
        for line in use.notes(policy, name: path, tellsUnused: tellsUnused) { say("vfioscope: \(line)") }
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
