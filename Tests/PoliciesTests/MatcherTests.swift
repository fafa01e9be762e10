// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

@testable import Policies

/// Entries match the names of both processes of a finding: the mapping's creator and the device's
/// user.
@Suite struct MatcherTests {
    private let uuid = "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b10"
    private let pod = "1b8a4c1e-6c4f-4d62-9a0e-0d5b6c7e8f90"
    private let id = String(repeating: "0123456789abcdef", count: 4)

    /// The unit spdk.service maps the card, which a VM in a pod opens afterwards.
    private func handOver() -> Host {
        var it = Host.peerToPeer(nicIn: c2, rules: Host.placeRules)
        it.describe(vmA, cgroup: "/system.slice/spdk.service", at: 110)
        it.describe(vmB, uuid: uuid, cgroup: "/kubepods/pod\(pod)/\(id)", at: 111)
        it.close(120)
        it.open(130, by: vmB)
        it.advance(to: 2000)
        return it
    }

    @Test(arguments: [
        ("vm_uuids = [\"9E4A1C52-*\"]", true), ("units = [\"spdk.*\"]", true),
        ("container_ids = [\"0123456789ab*\"]", true), ("pods = [\"1b8a4c1e-*\"]", true),
        ("units = [\"ovs*\"]", false), ("vm_uuids = [\"0*\"]", false), ("pods = [\"?\"]", false),
    ])
    func namesMatch(_ entry: String, _ matches: Bool) throws {
        let it = handOver()
        let policy = try Policy(toml: Array("version = 1\n[[allow]]\n\(entry)\nreason = \"x\"\n".utf8))
        var judge = PolicyJudge(policy)
        let finding = try #require(it.findings.first)
        #expect((judge.judge(finding, graph: it.graph) == nil) == matches)
    }
}
