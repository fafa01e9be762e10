// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `no-container-fd` fires, and when it is silent.
@Suite struct NoContainerDescriptorTests {
    @Test func theContainersDescriptorIsClosed() {
        var it = Host.withRAM("no-container-fd")
        it.at(1000, .containerClose(c1))
        it.advance(to: 5000)
        #expect(it.reported == ["no-container-fd medium open"])
        #expect(
            it.findings[0].message
                == "c1 (qemu-a) has 1 mapping (4 MiB) in force, kept by group 1, but its last descriptor is closed: "
                + "nobody can unmap them."
        )
        it.at(6000, .iommuRelease(i1))
        #expect(it.reported.last == "no-container-fd medium resolved")
    }

    @Test func closedFirstAndTheRestSoonAfter() {
        var it = Host.withRAM("no-container-fd")
        it.at(10, .deviceFirstOpen(gpuUse))
        it.at(1000, .containerClose(c1))
        it.at(1100, .deviceClose(DeviceUse(device: gpu, group: gpuGroup, openCount: 0)))
        it.at(1101, .reset(gpu, phase: .begin, wholeBus: false))
        it.at(3000, .reset(gpu, phase: .end, wholeBus: false))
        it.at(3001, .deviceLastClose(gpuUse))
        it.remove(3300, iova: 0, size: 0x40_0000, cause: .teardown)
        it.at(3301, .iommuRelease(i1))
        it.advance(to: 1_000_000)
        #expect(it.reported == [])
    }
}
