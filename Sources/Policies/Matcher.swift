import Events
import Findings
import MappingGraph

/// Which findings an entry is about: all kinds that are given must match, and of one kind any.
public struct Matcher: Sendable, Equatable {
    /// Slugs; nil is every rule.
    public var rules: [String]?
    public var devices: [Glob]?
    public var vms: [Glob]?
    public var commands: [Glob]?
    public var containers: [Glob]?

    public init() {}

    var isEmpty: Bool { rules == nil && devices == nil && vms == nil && commands == nil && containers == nil }

    func matches(_ subject: borrowing PolicySubject) -> Bool {
        if let rules, !rules.contains(subject.rule) { return false }
        return Self.any(devices, subject.devices) && Self.any(vms, subject.vms) && Self.any(commands, subject.commands)
            && Self.any(containers, subject.containers)
    }

    private static func any(_ globs: [Glob]?, _ names: [String]) -> Bool {
        guard let globs else { return true }
        return globs.contains { glob in names.contains { glob.matches($0) } }
    }
}

/// What a policy looks at in a finding: the one place that knows how findings are made.
struct PolicySubject {
    var rule: String
    /// The mapping's target.
    var devices: [String]
    var containers: [String]
    /// Of the mapping's creator and of the device's other user, as far as they are VMs.
    var vms: [String] = []
    /// Of both: the command's name, and that of the executable, of which the former is but 15 bytes.
    var commands: [String] = []

    init(_ finding: Finding, graph: borrowing Graph) {
        rule = finding.rule
        devices = finding.device.map { [$0.description] } ?? []
        containers = finding.container.map { [$0.description] } ?? []
        for actor in [finding.actor, finding.deviceOwner].compactMap(\.self) {
            if !actor.comm.isEmpty { commands.append(actor.comm.string) }
            guard let info = graph.processInfo(for: actor.process) else { continue }
            if !info.vm.isEmpty { vms.append(info.vm.string) }
            if let name = info.exe.string.split(separator: "/").last { commands.append(String(name)) }
        }
    }
}
