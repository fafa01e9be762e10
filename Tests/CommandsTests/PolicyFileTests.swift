// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Commands

/// What becomes of a policy file that cannot be used.
@Suite("Policy files")
struct PolicyFileTests {
    private func load(_ text: String) throws -> PolicyFile {
        let file = try TemporaryFile(Array(text.utf8))
        return try PolicyFile(file.path)
    }

    @Test func aPolicyIsRead() throws {
        let file = try load("version = 1\n[rules.stale-mapping]\nseverity = 'low'\n")
        #expect(file.policy.rules["stale-mapping"]?.severity == .low)
    }

    @Test func aMissingFileCannotBeOpened() {
        #expect {
            _ = try PolicyFile("/nonexistent/policy.toml")
        } throws: { error in
            (error as? Failure)?.status == .cannot && "\(error)".contains("/nonexistent/policy.toml")
        }
    }

    @Test func faultsAreAUsageErrorWithTheirPlaces() {
        #expect {
            _ = try load("version = 1\n[rules.stale-maping]\n")
        } throws: { error in
            guard let failure = error as? Failure else { return false }
            return failure.status == .usage && failure.message.contains(":2:")
                && failure.message.contains("stale-mapping")
        }
    }
}
