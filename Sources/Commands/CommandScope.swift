import Events
import Findings
import Policies

/// Whose findings count in `run`: those that involve a process of the command's tree as owner of
/// the mapping or of the device, or all of the host.
package struct CommandScope {
    package private(set) var tally = Tally()
    package private(set) var findings = LatestFindings()
    private let isCommands: (Finding) -> Bool

    /// - Parameter isOfCommand: whether a process belongs to the command's tree.
    package init(isOfCommand: @escaping (Actor) -> Bool) {
        isCommands = { finding in
            [finding.actor, finding.deviceOwner].compactMap(\.self).contains(where: isOfCommand)
        }
    }

    package mutating func count(_ judged: JudgedFinding) {
        guard isCommands(judged.finding) else { return }
        tally.count(judged)
        findings.note(judged)
    }
}
