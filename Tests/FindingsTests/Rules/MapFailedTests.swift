// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `map-failed` fires, and when it is silent.
@Suite struct MapFailedTests {
    @Test func aBARWithItsMemoryDisabledIsExpectedToFail() {
        var it = Host.forLints()
        it.at(200, .memoryDecode(nic, enabled: false, by: .vfio))
        it.at(201, .map(MapRequest(iommu: i1, iova: 0x9000_0000, size: size, result: -14)))
        #expect(it.reported == ["map-failed info open"])
        #expect(
            it.findings[0].message.hasSuffix(
                "failed with EFAULT: the memory of 0000:02:00.0 does not answer now, and cannot be mapped."))
        it.at(300, .memoryDecode(nic, enabled: true, by: .vfio))
        it.at(301, .map(MapRequest(iommu: i1, iova: 0x9000_0000, size: size, result: -14)))
        #expect(it.reported.last == "map-failed low open")
        #expect(
            it.findings[1].message.hasSuffix(
                "failed with EFAULT: a page of the range is not mapped in the process, or not with that access."))
    }

    @Test func partsOfABARThatWereReachedAreNamed() {
        var it = Host.forLints()
        it.at(200, .extent(Extent(iova: 0x9000_0000, address: nicBar + 0x1000, size: 0x1000)))
        it.at(
            201,
            .map(
                MapRequest(iommu: i1, iova: 0x9000_0000, size: 0x4000, result: -14, deviceBytes: 0x1000, extentCount: 1)
            )
        )
        #expect(it.reported == ["map-failed low open"])
        #expect(
            it.findings[0].device == nic && it.findings[0].bar == 0 && it.findings[0].barOffset == 0x1000
                && it.findings[0].reachable == true)
        #expect(!it.findings[0].isOfMapping)
    }
}
