// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// A mapping that reaches the table of MSI-X vectors is one severity worse.
@Suite struct MSIXTableTests {
    /// The NIC's table is at 0x8000 of BAR 0; `size` bytes from `offset` are mapped.
    private func mapped(_ offset: UInt64, _ size: UInt64, writable: Bool = true) -> Host {
        var it = Host.peerToPeer(rules: Host.placeRules)
        it.unmap(110)
        var info = info(nic, group: nicGroup, bar: nicBar)
        info.msix = MSIXTable(bar: 0, offset: 0x8000, size: 0x50)
        it.at(120, .deviceInfo(info), by: host)
        it.at(130, .extent(Extent(iova: window, address: nicBar + offset, size: size)))
        it.at(
            130,
            .map(MapRequest(iommu: i1, iova: window, size: size, writable: writable, deviceBytes: size, extentCount: 1))
        )
        return it
    }

    @Test func staleIsCriticalThen() {
        var it = mapped(0, 0x10000)
        it.close(1000)
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping critical open"])
        #expect(it.findings[0].holdsMSIXTable)
        #expect(
            it.findings[0].message.hasSuffix(
                "devices of c1 can still read and write it. It holds the MSI-X table: a stray write can raise "
                    + "arbitrary interrupts."
            ))
    }

    @Test func latentItIsHigh() {
        var it = mapped(0x8000, 0x1000)
        it.close(1000)
        it.at(1100, .power(nic, state: .d3hot, by: .host))
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping high open"])
    }

    @Test(arguments: [(0, 0x8000), (0x9000, 0x1000)] as [(UInt64, UInt64)]) func besideTheTableItIsNot(
        _ offset: UInt64, _ size: UInt64
    ) {
        var it = mapped(offset, size)
        it.close(1000)
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping high open"] && !it.findings[0].holdsMSIXTable)
    }

    @Test func readingItRaisesNoInterrupt() {
        var it = mapped(0, 0x10000, writable: false)
        it.close(1000)
        it.advance(to: 5000)
        #expect(it.reported == ["stale-mapping high open"] && !it.findings[0].holdsMSIXTable)
    }

    /// The highest severity stays, and the finding names the table.
    @Test func givenAwayIsCriticalAnyway() {
        var it = mapped(0, 0x10000)
        it.close(1000)
        it.at(1100, .groupDetach(nicGroup, c1))
        it.at(1200, .containerOpen(c3), by: vmB)
        it.at(1210, .groupAttach(nicGroup, c3), by: vmB)
        it.open(1220, by: vmB)
        it.advance(to: 9000)
        #expect(it.reported == ["isolation-break critical open"] && it.findings[0].holdsMSIXTable)
    }

    /// The kernel's word of a device that comes back does not hold the table; it is the same
    /// device.
    @Test func aRescanForgetsNoTable() {
        var it = mapped(0, 0x10000)
        it.at(1000, .deviceInfo(info(nic, group: nicGroup, bar: nicBar)), by: host)
        it.at(1010, .driverBind(info(nic, group: nicGroup, bar: nicBar)), by: host)
        #expect(it.graph.device(nic)?.info.msix == MSIXTable(bar: 0, offset: 0x8000, size: 0x50))
    }
}
