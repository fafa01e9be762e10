// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// Which findings an entry matches: each list that is present must match, by any of its patterns.
public struct Matcher: Sendable, Equatable {
    /// Slugs; nil matches every rule.
    public var rules: [String]?
    public var devices: [Glob]?
    public var vms: [Glob]?
    public var commands: [Glob]?
    public var containers: [Glob]?
    public var vmUUIDs: [Glob]?
    public var units: [Glob]?
    /// The ids of a container runtime.
    public var containerIDs: [Glob]?
    public var pods: [Glob]?

    public init() {}

    func matches(_ subject: borrowing PolicySubject) -> Bool {
        if let rules, !rules.contains(subject.rule) { return false }
        return Self.any(devices, subject.devices) && Self.any(vms, subject.vms) && Self.any(commands, subject.commands)
            && Self.any(containers, subject.containers) && Self.any(vmUUIDs, subject.vmUUIDs)
            && Self.any(units, subject.units)
            && Self.any(containerIDs, subject.containerIDs) && Self.any(pods, subject.pods)
    }

    private static func any(_ globs: [Glob]?, _ names: [String]) -> Bool {
        guard let globs else { return true }
        return globs.contains { glob in names.contains { glob.matches($0) } }
    }
}

/// The properties of a finding that entries match. Nothing else here depends on how findings are
/// made.
struct PolicySubject {
    var rule: String
    /// The device that the mapping leads to.
    var devices: [String]
    var containers: [String]
    /// The VMs of the mapping's creator and of the device's other user, where they are VMs.
    var vms: [String] = []
    /// For both: the command's name, which the kernel cuts to 15 bytes, and the executable's name.
    var commands: [String] = []
    /// For both, if they have one.
    var vmUUIDs: [String] = []
    var units: [String] = []
    var containerIDs: [String] = []
    var pods: [String] = []

    init(_ finding: Finding, graph: borrowing Graph) {
        rule = finding.rule
        devices = finding.device.map { [$0.description] } ?? []
        containers = finding.container.map { [$0.description] } ?? []
        for actor in [finding.actor, finding.deviceOwner].compactMap(\.self) {
            if !actor.comm.isEmpty { commands.append(actor.comm.string) }
            guard let info = graph.processInfo(for: actor.process) else { continue }
            if !info.vm.isEmpty { vms.append(info.vm.string) }
            if !info.vmUUID.isEmpty { vmUUIDs.append(info.vmUUID) }
            if !info.cgroup.unit.isEmpty { units.append(info.cgroup.unit) }
            if !info.cgroup.containerID.isEmpty { containerIDs.append(info.cgroup.containerID) }
            if !info.cgroup.pod.isEmpty { pods.append(info.cgroup.pod) }
            if let name = info.exe.string.split(separator: "/").last { commands.append(String(name)) }
        }
    }
}
