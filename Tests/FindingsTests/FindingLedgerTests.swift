// SPDX-License-Identifier: Apache-2.0
import Events
import Testing
@testable import Findings

/// Which findings count, and which a policy suppresses.
@Suite struct FindingLedgerTests {
    private func finding(_ id: UInt32, _ severity: Severity) -> Finding {
        Finding(
            id: id, rule: "stale-mapping", severity: severity, state: .open, time: 7, since: 5, actor: Actor(),
            message: "m")
    }

    @Test func beginsEmpty() {
        let ledger = FindingLedger()
        #expect(ledger.count == 0 && ledger.suppressedCount == 0 && ledger.worst == nil && !ledger.contains(1))
    }

    @Test func countsEachFindingOnceAtItsHighest() {
        var ledger = FindingLedger()
        for severity in [.low, .high, .medium] as [Severity] {
            ledger.record(finding(1, severity), isSuppressed: false)
        }
        ledger.record(finding(2, .info), isSuppressed: false)
        #expect(ledger.count == 2 && ledger.contains(1) && ledger.contains(2) && !ledger.contains(3))
        #expect(Severity.allCases.map { ledger.count(of: $0) } == [1, 0, 0, 1, 0])
        #expect(ledger.worst == .high)
    }

    @Test func whatIsSuppressedDoesNotCount() {
        var ledger = FindingLedger()
        for _ in 0..<2 { ledger.record(finding(1, .critical), isSuppressed: true) }
        #expect(ledger.count == 0 && ledger.suppressedCount == 1 && ledger.worst == nil && ledger.contains(1))
    }

    /// A policy's exception may end while the finding is open, or begin.
    @Test func whatHasCountedGoesOnCounting() {
        var ledger = FindingLedger()
        ledger.record(finding(1, .high), isSuppressed: true)
        ledger.record(finding(1, .high), isSuppressed: false)
        #expect(ledger.count == 1 && ledger.suppressedCount == 0)
        ledger.record(finding(1, .critical), isSuppressed: true)
        #expect(ledger.count(of: .high) == 1 && ledger.suppressedCount == 0 && ledger.worst == .high)
    }
}
