// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import Policies
import TestSupport
import Testing

@testable import Commands

/// Whose findings count in `run`.
@Suite("The scope of run")
struct CommandScopeTests {
    /// A finding counts if its holder or the device's owner belongs to the command.
    @Test func holdersAndOwnersCount() {
        var host = Host.peerToPeer(nicIn: c2, nicOpener: vmB)
        host.close(1000, by: vmB)
        host.open(2000, by: vmB)
        host.advance(to: 9000)
        func count(_ member: Actor?) -> Int {
            var scope = CommandScope { member == nil || $0.process == member!.process }
            for finding in host.findings { scope.count(JudgedFinding(finding)) }
            #expect(scope.findings.all.count == scope.tally.findings.count)
            return scope.tally.findings.count
        }
        #expect(count(nil) == 3)
        // The stale mapping's device has no owner. The other two findings have a holder and an
        // owner.
        #expect(count(vmA) == 3)
        #expect(count(vmB) == 2)
        #expect(count(TestSupport.host) == 0)
    }
}
