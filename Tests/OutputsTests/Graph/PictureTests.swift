// SPDX-License-Identifier: Apache-2.0
import Events
import Testing
@testable import Outputs

/// What the graph formats draw, before any of them does.
@Suite struct PictureTests {
    @Test func edgesCarryTheirFindings() throws {
        var history = History.small()
        history.events.removeLast(2)
        let ending = history.final()
        let picture = Picture(ending.graph, findings: ending.findings)
        #expect(ending.findings.map(\.rule) == ["stale-mapping", "no-open-device"])
        #expect(picture.containers.map { $0.findings.map(\.rule) } == [["no-open-device"]])
        let edge = try #require(picture.edges.first)
        #expect(
            picture.edges.count == 1 && edge.findings.map(\.rule) == ["stale-mapping"] && edge.iova == 0x8000_0000
                && edge.size == 1 << 20)
        #expect(picture.containers[0].ramBytes == 1 << 30)
        #expect(picture.owners.map(\.name) == ["qemu-system-x86"])
    }
}
