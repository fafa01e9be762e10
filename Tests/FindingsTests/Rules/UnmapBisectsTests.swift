// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import TestSupport
import Testing

/// When `unmap-bisects` fires, and when it is silent.
@Suite struct UnmapBisectsTests {
    @Test(arguments: [
        (UInt64(0x18_0000), UInt64(0x8_0000)), (0x0, 0x18_0000), (0x18_0000, 0x1000), (0x10_0000, 0x1000),
    ])
    func aRangeThatCutsAMapping(iova: UInt64, size: UInt64) {
        var it = Host.forLints()
        it.unmapReturns(200, iova: iova, size: size, result: -22)
        #expect(it.reported == ["unmap-bisects low open"])
        #expect(
            it.findings[0].message.hasSuffix(
                "failed with EINVAL: it would have cut the mapping 0x100000…0x1fffff, all of which is still in force."))
    }

    @Test func otherFailuresCutNothing() {
        var it = Host.forLints()
        it.unmapReturns(200, iova: 0x10_0000, size: 0x10_0000, result: -22)
        it.unmapReturns(201, iova: 0x0, size: 0x40_0000, result: -22)
        it.unmapReturns(202, iova: 0x18_0000, size: 0x1000, result: -14)
        it.unmapReturns(203, iova: 0x18_0000, size: 0, result: -22)
        it.unmapReturns(204, iova: .max - 0xfff, size: 0x2000, result: -22)
        #expect(it.reported == [])
    }
}
