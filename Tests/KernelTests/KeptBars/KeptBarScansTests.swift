// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Kernel

/// All times are in milliseconds.
@Suite("When to scan for kept BARs")
struct KeptBarScansTests {
    private let area = KeptBarScans.Area(
        process: ProcessKey(pid: 7, start: 1), device: 0x200, address: 0xf000_0000, size: 4096)
    private let other = KeptBarScans.Area(
        process: ProcessKey(pid: 8, start: 2), device: 0x200, address: 0xf000_0000, size: 4096)

    private func ms(_ time: UInt64) -> UInt64 { time * 1_000_000 }

    /// Makes one scan, which by default uses a millisecond of CPU time; returns the areas that it
    /// confirms, and those that have been let go.
    private func scan(
        _ scans: inout KeptBarScans, at time: UInt64, finds areas: [KeptBarScans.Area], isComplete: Bool = true,
        takes: UInt64 = 1, waits: UInt64 = 0
    ) -> (reported: [KeptBarScans.Area], gone: [KeptBarScans.Area]) {
        scans.begin(at: ms(time))
        let reported = areas.filter { scans.add($0) }
        return (reported, scans.end(at: ms(time + takes + waits), cost: ms(takes), isComplete: isComplete))
    }

    @Test func nothingIsDueWithoutARequest() {
        #expect(KeptBarScans().due == .max)
    }

    @Test func aRequestCausesTwoScans() {
        var scans = KeptBarScans()
        scans.request(at: ms(1000))
        scans.request(at: ms(1050))
        #expect(scans.due == ms(1100))
        #expect(scan(&scans, at: 1100, finds: []) == ([], []))
        #expect(scans.due == ms(2101) && !scans.isUnconfirmed)
        #expect(scan(&scans, at: 2101, finds: []) == ([], []))
        #expect(scans.due == .max)
        // However many forks: at most one scan a second.
        scans.request(at: ms(2102))
        #expect(scans.due == ms(3102))
    }

    @Test func twoScansConfirmAndAThirdRevokes() {
        var scans = KeptBarScans()
        scans.request(at: 0)
        #expect(scan(&scans, at: 100, finds: [area]) == ([], []))
        #expect(scans.isUnconfirmed && scans.due == ms(201))
        #expect(scan(&scans, at: 201, finds: [area, other]) == ([area], []))
        #expect(scan(&scans, at: 400, finds: [area, other]) == ([other], []))
        #expect(!scans.isUnconfirmed && scans.due == ms(1401))
        #expect(scan(&scans, at: 1401, finds: [area, other]) == ([], []))
        #expect(scan(&scans, at: 2500, finds: [other]) == ([], [area]))
        #expect(scan(&scans, at: 3600, finds: []) == ([], [other]))
        #expect(scans.due == .max)
    }

    /// One scan meets a zap or a fault under way, and so does another later; a scan in between
    /// finds nothing.
    @Test func intermediateStatesAreNotReported() {
        var scans = KeptBarScans()
        scans.request(at: 0)
        #expect(scan(&scans, at: 100, finds: [area]) == ([], []))
        #expect(scan(&scans, at: 300, finds: []) == ([], []))
        #expect(scan(&scans, at: 500, finds: [area]) == ([], []))
        #expect(scan(&scans, at: 700, finds: []) == ([], []))
        // The second scan is too close to the first to confirm it.
        #expect(scan(&scans, at: 800, finds: [area]) == ([], []))
        #expect(scan(&scans, at: 899, finds: [area]) == ([], []))
        #expect(scan(&scans, at: 900, finds: [area]) == ([area], []))
    }

    @Test func anIncompleteScanRevokesNothing() {
        var scans = KeptBarScans()
        scans.request(at: 0)
        _ = scan(&scans, at: 100, finds: [area])
        #expect(scan(&scans, at: 300, finds: [], isComplete: false) == ([], []))
        #expect(scan(&scans, at: 500, finds: [area], isComplete: false) == ([area], []))
        #expect(scan(&scans, at: 1600, finds: [], isComplete: false) == ([], []))
        #expect(scans.due == ms(2601))
        #expect(scan(&scans, at: 2601, finds: []) == ([], [area]))
    }

    /// A process forks on a loaded machine: the first scans are slow and meet the fork half way.
    /// What the child keeps is reported all the same.
    @Test func firstScansAreNotDelayed() {
        var scans = KeptBarScans()
        scans.request(at: 0)
        #expect(scan(&scans, at: 100, finds: [], takes: 120, waits: 80) == ([], []))
        #expect(scans.due == ms(1300))
        #expect(scan(&scans, at: 1300, finds: [area], takes: 120, waits: 80) == ([], []))
        #expect(scans.due == ms(1600))
        #expect(scan(&scans, at: 1600, finds: [area], takes: 120) == ([area], []))
    }

    /// On a large host a scan takes long; in the long run scans use a fiftieth of a CPU.
    @Test func slowScansAreRare() {
        var scans = KeptBarScans()
        scans.request(at: 0)
        _ = scan(&scans, at: 100, finds: [area], takes: 600)
        // The scan has used 100 ms more than were saved up.
        #expect(scans.due == ms(700 + 5000))
        _ = scan(&scans, at: 5700, finds: [area], takes: 100)
        scans.request(at: ms(5900))
        #expect(scans.due == ms(5800 + 5000))
        scans.requestNow(at: ms(6000))
        #expect(scans.due == ms(6000))
    }

    @Test func waitingCostsNothing() {
        var scans = KeptBarScans()
        for round in 0..<20 {
            scans.request(at: ms(UInt64(round) * 3000))
            _ = scan(&scans, at: UInt64(round) * 3000 + 1000, finds: [area], takes: 1, waits: 900)
        }
        #expect(scans.due == ms(19 * 3000 + 1901 + 1000))
    }

    /// Savings are limited: after a quiet day, an hour of forks costs its fiftieth and not much
    /// more.
    @Test func savingsHaveALimit() {
        var scans = KeptBarScans()
        var time: UInt64 = 86_400_000
        let end = time + 3_600_000
        var cost: UInt64 = 0
        while time < end {
            scans.request(at: ms(time))
            time = max(time, scans.due / 1_000_000)
            _ = scan(&scans, at: time, finds: [], takes: 100)
            cost += 100
            time += 100
        }
        #expect(cost < 3_600_000 / 50 + 500 + 200)
    }
}

@Suite("Where the kernel maps memory")
struct MemoryLayoutScanTests {
    /// Linux puts the direct map at one of two addresses, or with KASLR up to some TiB above it.
    @Test func levelsFollowFromTheDirectMap() {
        #expect(MemoryLayoutScan.pageTableLevels(directMap: 0xffff_8880_0000_0000) == 4)
        #expect(MemoryLayoutScan.pageTableLevels(directMap: 0xffff_9c8a_4000_0000) == 4)
        #expect(MemoryLayoutScan.pageTableLevels(directMap: 0xff11_0000_0000_0000) == 5)
        #expect(MemoryLayoutScan.pageTableLevels(directMap: 0) == 0)
    }
}
