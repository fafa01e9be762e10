// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing
@testable import Policies

/// What a policy does to the findings of a history.
@Suite struct PolicyJudgeTests {
    /// 2026-01-01T00:00:00Z.
    private static let newYear: Int64 = 1_767_225_600_000_000_000
    private static let second: Int64 = 1_000_000_000

    /// `rule severity state`, and the reason for which one is suppressed.
    private func reported(_ host: borrowing Host, _ judge: inout PolicyJudge) -> [String] {
        host.findings.compactMap { judge.judge($0, graph: host.graph) }.map { judged in
            let finding = judged.finding
            return "\(finding.rule) \(finding.severity.name) \(finding.state == .open ? "open" : "resolved")"
                + (judged.suppressed.map { ": " + $0 } ?? "")
        }
    }

    private func reported(_ host: borrowing Host, _ text: String, clockOffset: Int64? = newYear) throws -> [String] {
        var judge = PolicyJudge(try policy("version = 1\n" + text), clockOffset: clockOffset)
        return reported(host, &judge)
    }

    /// VM A maps the NIC's BAR, which VM B, named storage-7, opens after A has closed it: from
    /// 1010, resolved at 9000.
    private static func givenAway(at time: UInt64 = 1000) -> Host {
        var it = Host.peerToPeer(nicIn: c2)
        it.name(vmA, "compute-1", at: 110)
        it.name(vmB, "storage-7", at: 111)
        it.close(time)
        it.open(time + 10, by: vmB)
        it.advance(to: time + 4000)
        it.unmap(time + 8000)
        // Until it was closed, it was open in another container by its own owner.
        it.findings.removeAll { $0.rule != "isolation-break" }
        return it
    }

    private static let plain = ["isolation-break critical open", "isolation-break critical resolved"]
    private static let suppressed = plain.map { $0 + ": J" }

    @Test func withoutEntriesNothingChanges() throws {
        let it = Self.givenAway()
        #expect(it.reported == Self.plain)
        #expect(try reported(it, "") == Self.plain)
    }

    @Test func severitiesAreThePolicys() throws {
        #expect(
            try reported(Self.givenAway(), "[rules.isolation-break]\nseverity = 'low'") == [
                "isolation-break low open", "isolation-break low resolved",
            ])
        #expect(try reported(Self.givenAway(), "[rules.stale-mapping]\nseverity = 'low'") == Self.plain)
    }

    @Test(arguments: [
        ("rules = ['isolation-break']", true), ("rules = ['stale-mapping']", false),
        ("rules = ['stale-mapping', 'isolation-break']", true),
        ("devices = ['0000:02:00.0']", true), ("devices = ['02:00.0']", true),
        ("devices = ['0000:01:*', '0000:02:*']", true),
        ("devices = ['0000:01:*']", false),
        ("vms = ['compute-*']", true), ("vms = ['storage-?']", true), ("vms = ['storage-??']", false),
        ("vms = ['qemu*']", false),
        ("commands = ['qemu-a']", true), ("commands = ['qemu-b']", true), ("commands = ['qemu']", true),
        ("commands = ['/usr/bin/qemu']", false),
        ("commands = ['systemd']", false),
        ("containers = ['c1']", true), ("containers = ['c2']", false), ("containers = ['c?']", true),
        (
            "rules = ['isolation-break']\ndevices = ['0000:02:*']\nvms = ['compute-1']\ncommands = "
                + "['qemu-*']\ncontainers = ['c*']",
            true
        ),
        (
            "rules = ['isolation-break']\ndevices = ['0000:02:*']\nvms = ['compute-2']\ncommands = "
                + "['qemu-*']\ncontainers = ['c*']",
            false
        ),
    ]) func allGivenKindsMustMatch(matcher: String, isMatch: Bool) throws {
        let it = Self.givenAway()
        #expect(try reported(it, "[[allow]]\n\(matcher)\nreason = 'J'") == (isMatch ? [] : Self.plain))
        #expect(
            try reported(it, "[[suppress]]\n\(matcher)\nreason = 'J'\nexpires = 2026-01-01")
                == (isMatch ? Self.suppressed : Self.plain))
    }

    @Test func allowComesBeforeSuppressAndBothBeforeSeverity() throws {
        let severity = "[rules.isolation-break]\nseverity = 'info'\n"
        let suppress = "[[suppress]]\nrules = ['isolation-break']\nreason = 'J'\nexpires = 2099-01-01\n"
        let allow = "[[allow]]\nrules = ['isolation-break']\nreason = 'K'\n"
        var judge = PolicyJudge(try policy("version = 1\n" + suppress + allow + severity), clockOffset: Self.newYear)
        #expect(reported(Self.givenAway(), &judge) == [])
        #expect(judge.use.findings == [0, 1])
        #expect(
            try reported(Self.givenAway(), severity + suppress) == [
                "isolation-break info open: J", "isolation-break info resolved: J",
            ])
    }

    /// The finding opens at 1510 ns after the clock's offset.
    @Test(arguments: [
        (newYear, "2026-01-01", true), (newYear, "2025-12-31", false), (newYear - 10_000, "2025-12-31", true),
        // 23:59:59.999999999 of the last day, and the nanosecond after it.
        (newYear - 1511, "2025-12-31", true), (newYear - 1510, "2025-12-31", false),
        (newYear + 58 * 86_400 * second, "2026-02-28", true), (newYear + 59 * 86_400 * second, "2026-02-28", false),
        (-86_400 * second, "1969-12-31", true), (-86_400 * second, "1969-12-30", false),
    ]) func theLastDayCounts(clockOffset: Int64, expires: String, holds: Bool) throws {
        var it = Self.givenAway()
        it.findings = [it.findings[0]]
        #expect(it.findings[0].time == 1510)
        let found = try reported(
            it, "[[suppress]]\nrules = ['isolation-break']\nreason = 'J'\nexpires = \(expires)",
            clockOffset: clockOffset)
        #expect(found == [holds ? Self.suppressed[0] : Self.plain[0]])
    }

    /// It opens on the last day and resolves on the next.
    @Test func whatOutlivesItsSuppressionCounts() throws {
        let text = "[[suppress]]\nrules = ['isolation-break']\nreason = 'J'\nexpires = 2025-12-31"
        var judge = PolicyJudge(try policy("version = 1\n" + text), clockOffset: Self.newYear - 5000)
        #expect(reported(Self.givenAway(), &judge) == [Self.suppressed[0], Self.plain[1]])
        judge.finish(at: 9000)
        #expect(
            judge.use.notes(judge.policy, name: "p.toml", reportsUnused: true)
                == [
                    "p.toml:2: this suppression has expired: its last day was 2025-12-31 (J); what it matches counts "
                        + "again"
                ])
    }

    @Test func withoutAClockNoSuppressionHolds() throws {
        let text = "[[suppress]]\nrules = ['isolation-break']\nreason = 'J'\nexpires = 2099-12-31"
        var judge = PolicyJudge(try policy("version = 1\n" + text))
        #expect(reported(Self.givenAway(), &judge) == Self.plain)
        judge.finish(at: 9000)
        #expect(
            judge.use.notes(judge.policy, name: "p", reportsUnused: true) == [
                "p: the date of the events is not known: no suppression holds"
            ])
    }

    /// The device's other user changes while it is stale: what is allowed for one is not for the
    /// next.
    @Test func anAllowedFindingThatChangesIsJudgedAgain() throws {
        var judge = PolicyJudge(try policy("version = 1\n[[allow]]\ncommands = ['qemu-b']\nreason = 'K'"))
        var it = Self.givenAway()
        it.findings.insert(it.findings[0], at: 1)
        it.findings[1].deviceOwner = actor(300, "qemu-c")
        #expect(reported(it, &judge) == Self.plain)
        #expect(judge.use.findings == [0])
        // And one that has been reported is not taken back.
        it.findings.swapAt(0, 1)
        #expect(
            reported(it, &judge) == [
                "isolation-break critical open", "isolation-break critical open", "isolation-break critical resolved",
            ])
    }

    @Test func notesStateWhatEntriesDid() throws {
        var judge = PolicyJudge(
            try policy(
                """
                version = 1
                [rules.memory-disabled]
                severity = "off"
                [[allow]]
                vms = ["nobody"]
                reason = "A"
                [[suppress]]
                rules = ["isolation-break"]
                reason = "B"
                expires = 2026-01-01
                [[suppress]]
                rules = ["stale-mapping"]
                reason = "C"
                expires = 2025-01-01
                [[suppress]]
                devices = ["0000:02:*"]
                reason = "D"
                expires = 2026-01-01
                """), clockOffset: Self.newYear)
        _ = reported(Self.givenAway(), &judge)
        judge.finish(at: 9000)
        var use = PolicyUse(judge.policy)
        use.add(judge.use)
        use.add(judge.use)
        // The last one matched, although an earlier one was taken.
        #expect(
            use.notes(judge.policy, name: "p", reportsUnused: true) == [
                "rules turned off by p: memory-disabled", "p:4: note: this allow matched nothing (A)",
                "2 findings suppressed by p:7 (B)",
                "p:11: this suppression has expired: its last day was 2025-01-01 (C)",
            ])
        #expect(
            judge.use.notes(judge.policy, name: "p", reportsUnused: false) == [
                "rules turned off by p: memory-disabled", "1 finding suppressed by p:7 (B)",
                "p:11: this suppression has expired: its last day was 2025-01-01 (C)",
            ])
    }

    // MARK: The engine's part

    private func replay(_ history: [Event], _ text: String) throws -> [String] {
        var it = Host()
        it.engine = Engine(try policy("version = 1\n" + text))
        for event in history { it.apply(event) }
        it.advance(to: 10_000_000_000)
        return it.reported.filter { $0.hasPrefix("isolation-break") }
    }

    @Test func theDebounceIsThePolicys() throws {
        let history = Self.givenAway(at: 1_000_000_000).history
        #expect(try replay(history, "debounce = '7us'") == Self.plain)
        #expect(try replay(history, "debounce = '8us'") == [])
        #expect(try replay(history, "debounce = '0ns'") == Self.plain)
    }

    @Test func aRuleThatIsOffIsNotAsked() throws {
        let history = Self.givenAway(at: 1_000_000_000).history
        #expect(try replay(history, "debounce = '1us'\n[rules.isolation-break]\nseverity = 'off'") == [])
    }
}
