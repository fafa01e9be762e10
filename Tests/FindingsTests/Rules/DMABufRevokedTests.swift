// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// Times in milliseconds. The lab shows the same on Linux 7.3 (scenario dma-buf).
@Suite struct DMABufRevokedTests {
    /// The NIC is open in container 1, and 64 KiB of it are a dma-buf.
    private func exported() -> Host {
        var it = Host.peerToPeer(rules: [RuleRegistry.rule("dmabuf-revoked")!])
        it.at(
            100, .dmaBuf(DMABuf(.export, key: 0xabc, device: nic, inode: 7, size: 0x1_0000, address: nicBar, ranges: 1))
        )
        return it
    }

    @Test func wokenBySomebodyElse() {
        var it = exported()
        it.at(1000, .dmaBuf(DMABuf(.revoke, device: nic)))
        it.at(1001, .power(nic, state: .d3hot, by: .vfio))
        it.at(2000, .power(nic, state: .d0, by: .host))
        it.advance(to: 2499)
        #expect(it.reported == [])
        it.advance(to: 5000)
        #expect(it.reported == ["dmabuf-revoked low open"])
        #expect(
            it.findings[0].since == 2000 && it.findings[0].actor == vmA && it.findings[0].container == ContainerID(1))
        #expect(
            it.findings[0].message
                == "The dma-buf of 65536 bytes that qemu-a exported from 0000:02:00.0 (inode 7) is still revoked, "
                + "although the device answers: nobody can map it."
        )
        it.at(6000, .dmaBuf(DMABuf(.restore, device: nic)))
        #expect(it.reported.last == "dmabuf-revoked low resolved" && it.findings.last?.until == 6000)
    }

    /// Revoked for as long as it has to be.
    @Test func asleepInResetOrDisabled() {
        var it = exported()
        it.at(1000, .dmaBuf(DMABuf(.revoke, device: nic)))
        it.at(1000, .memoryDecode(nic, enabled: false, by: .vfio))
        it.at(9000, .memoryDecode(nic, enabled: true, by: .vfio))
        it.at(9001, .dmaBuf(DMABuf(.restore, device: nic)))
        it.at(10_000, .dmaBuf(DMABuf(.revoke, device: nic)))
        it.at(10_001, .reset(nic, phase: .begin, wholeBus: false))
        it.at(19_000, .reset(nic, phase: .end, wholeBus: false))
        it.at(19_001, .dmaBuf(DMABuf(.restore, device: nic)))
        it.at(20_000, .dmaBuf(DMABuf(.revoke, device: nic)))
        it.at(20_001, .power(nic, state: .d3hot, by: .vfio))
        it.advance(to: 100_000)
        #expect(it.reported == [])
    }

    /// A user who lets a device sleep that cannot: it answers, and the kernel keeps its promise.
    @Test func letSleepButAwake() {
        var it = exported()
        it.at(1000, .dmaBuf(DMABuf(.revoke, device: nic)))
        it.advance(to: 100_000)
        #expect(it.reported == [])
    }

    @Test(arguments: [true, false]) func gone(isClosed: Bool) {
        var it = exported()
        it.at(1000, .dmaBuf(DMABuf(.revoke, device: nic)))
        it.at(1001, .power(nic, state: .d3hot, by: .vfio))
        it.at(2000, .power(nic, state: .d0, by: .host))
        it.advance(to: 3000)
        if isClosed { it.close(4000) } else { it.at(4000, .dmaBuf(DMABuf(.release, key: 0xabc, device: nil))) }
        #expect(it.reported == ["dmabuf-revoked low open", "dmabuf-revoked low resolved"])
        #expect(it.graph.buffers(of: nic).isEmpty)
    }
}
