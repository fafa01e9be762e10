// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import Policies

/// Selects the findings that count in `run`: those in which a process of the command's tree owns
/// the mapping or the device, or all findings on the host.
package struct CommandScope {
    package private(set) var tally = Tally()
    package private(set) var findings = LatestFindings()
    private let isCommands: (Finding) -> Bool

    /// - Parameter isOfCommand: returns whether a process belongs to the command's tree.
    package init(isOfCommand: @escaping (Actor) -> Bool) {
        isCommands = { finding in
            [finding.actor, finding.deviceOwner].compactMap(\.self).contains(where: isOfCommand)
        }
    }

    package mutating func count(_ judged: JudgedFinding) {
        guard isCommands(judged.finding) else { return }
        tally.count(judged)
        findings.record(judged)
    }
}
