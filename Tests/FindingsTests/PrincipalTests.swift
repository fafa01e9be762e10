// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

// Which processes are one owner.

private let uuid = "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b10"
private let otherUUID = "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b11"
private let id = String(repeating: "0123456789abcdef", count: 4)

/// Which processes are one owner: a mapping's device is released, and opened by another process in
/// another container.
@Suite("Principals")
struct PrincipalTests {
    struct Names: Sendable {
        var vm = "", uuid = "", cgroup = ""
    }

    private func handOver(_ a: Names, _ b: Names) -> Host {
        var it = Host.peerToPeer(nicIn: c2, rules: Host.placeRules)
        it.describe(vmA, vm: a.vm, uuid: a.uuid, cgroup: a.cgroup, at: 110)
        it.describe(vmB, vm: b.vm, uuid: b.uuid, cgroup: b.cgroup, at: 111)
        it.close(120)
        it.open(130, by: vmB)
        it.advance(to: 2000)
        return it
    }

    @Test(arguments: [
        (Names(uuid: uuid), Names(uuid: uuid)),
        (Names(vm: "a", uuid: uuid), Names(vm: "a-renamed", uuid: uuid)),
        (Names(vm: "a"), Names(vm: "a")),
        (Names(vm: "a", uuid: uuid), Names(vm: "a")),
        (Names(cgroup: "/docker/\(id)"), Names(cgroup: "/docker/\(id)")),
        (Names(cgroup: "/docker/\(id)"), Names(cgroup: "/docker/\(id)/system.slice/a.service")),
        (Names(vm: "a", cgroup: "/docker/\(id)"), Names(cgroup: "/docker/\(id)")),
    ])
    func oneOwner(_ a: Names, _ b: Names) {
        #expect(handOver(a, b).reported == ["cross-container info open"])
    }

    @Test(arguments: [
        (Names(), Names()),
        (Names(uuid: uuid), Names(uuid: otherUUID)),
        (Names(uuid: uuid), Names()),
        (Names(uuid: "00000000-0000-0000-0000-000000000000"), Names(uuid: "00000000-0000-0000-0000-000000000000")),
        // A name is no proof where UUIDs differ, nor is a container that runs many VMs.
        (Names(vm: "a", uuid: uuid), Names(vm: "a", uuid: otherUUID)),
        (Names(uuid: uuid, cgroup: "/docker/\(id)"), Names(uuid: otherUUID, cgroup: "/docker/\(id)")),
        (Names(vm: "a", cgroup: "/docker/\(id)"), Names(vm: "b", cgroup: "/docker/\(id)")),
        (Names(cgroup: "/system.slice/a.service"), Names(cgroup: "/system.slice/a.service")),
        (
            Names(cgroup: "/kubepods/pod1b8a4c1e-6c4f-4d62-9a0e-0d5b6c7e8f90/a"),
            Names(cgroup: "/kubepods/pod1b8a4c1e-6c4f-4d62-9a0e-0d5b6c7e8f90/b")
        ),
    ])
    func twoOwners(_ a: Names, _ b: Names) {
        #expect(handOver(a, b).reported == ["isolation-break critical open"])
    }

    @Test func aReExecutedProcessIsTheSame() {
        var it = Host.peerToPeer(nicIn: c2, rules: Host.placeRules)
        it.describe(vmA, vm: "a", uuid: uuid, at: 110)
        it.close(120)
        it.describe(vmA, vm: "b", uuid: otherUUID, at: 125)
        it.open(130, by: vmA)
        it.advance(to: 2000)
        #expect(it.reported == ["cross-container info open"])
    }

    @Test func messagesContainTheBestKnownName() {
        let it = handOver(Names(cgroup: "/system.slice/spdk.service"), Names(cgroup: "/docker/\(id)"))
        #expect(it.findings.first?.message.contains("c1 (spdk.service)") == true)
        #expect(it.findings.first?.message.contains("0123456789ab has since opened the device in c2") == true)
    }
}
