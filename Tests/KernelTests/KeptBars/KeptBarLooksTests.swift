import Events
import Testing

@testable import Kernel

/// Times in milliseconds.
@Suite("Looks for BARs that are kept")
struct KeptBarLooksTests {
    private let area = KeptBarLooks.Area(
        process: ProcessKey(pid: 7, start: 1), device: 0x200, address: 0xf000_0000, size: 4096)
    private let other = KeptBarLooks.Area(
        process: ProcessKey(pid: 8, start: 2), device: 0x200, address: 0xf000_0000, size: 4096)

    private func ms(_ time: UInt64) -> UInt64 { time * 1_000_000 }

    /// One look, which takes a millisecond of CPU time: what it found to be news, and what has been
    /// let go.
    private func look(
        _ looks: inout KeptBarLooks, at time: UInt64, finds areas: [KeptBarLooks.Area], isComplete: Bool = true,
        takes: UInt64 = 1, waits: UInt64 = 0
    ) -> (told: [KeptBarLooks.Area], gone: [KeptBarLooks.Area]) {
        looks.begin(at: ms(time))
        let told = areas.filter { looks.find($0) }
        return (told, looks.end(at: ms(time + takes + waits), cost: ms(takes), isComplete: isComplete))
    }

    @Test func nothingIsDueWithoutReason() {
        #expect(KeptBarLooks().due == .max)
    }

    @Test func oneReasonIsTwoLooksThatFindNothing() {
        var looks = KeptBarLooks()
        looks.request(at: ms(1000))
        looks.request(at: ms(1050))
        #expect(looks.due == ms(1100))
        #expect(look(&looks, at: 1100, finds: []) == ([], []))
        #expect(looks.due == ms(2101) && !looks.isUndecided)
        #expect(look(&looks, at: 2101, finds: []) == ([], []))
        #expect(looks.due == .max)
        // Many forks: at most one look a second.
        looks.request(at: ms(2102))
        #expect(looks.due == ms(3102))
    }

    @Test func twoLooksTellAndAThirdTakesBack() {
        var looks = KeptBarLooks()
        looks.request(at: 0)
        #expect(look(&looks, at: 100, finds: [area]) == ([], []))
        #expect(looks.isUndecided && looks.due == ms(201))
        #expect(look(&looks, at: 201, finds: [area, other]) == ([area], []))
        #expect(look(&looks, at: 400, finds: [area, other]) == ([other], []))
        #expect(!looks.isUndecided && looks.due == ms(1401))
        #expect(look(&looks, at: 1401, finds: [area, other]) == ([], []))
        #expect(look(&looks, at: 2500, finds: [other]) == ([], [area]))
        #expect(look(&looks, at: 3600, finds: []) == ([], [other]))
        #expect(looks.due == .max)
    }

    /// A zap or a fault under way, met by one look; and by another, later, with one in between that
    /// found all to be well.
    @Test func whatIsMetHalfWayIsNotTold() {
        var looks = KeptBarLooks()
        looks.request(at: 0)
        #expect(look(&looks, at: 100, finds: [area]) == ([], []))
        #expect(look(&looks, at: 300, finds: []) == ([], []))
        #expect(look(&looks, at: 500, finds: [area]) == ([], []))
        #expect(look(&looks, at: 700, finds: []) == ([], []))
        // Two looks in a row are too close to each other to tell.
        #expect(look(&looks, at: 800, finds: [area]) == ([], []))
        #expect(look(&looks, at: 899, finds: [area]) == ([], []))
        #expect(look(&looks, at: 900, finds: [area]) == ([area], []))
    }

    @Test func aVoidLookTakesNothingBack() {
        var looks = KeptBarLooks()
        looks.request(at: 0)
        _ = look(&looks, at: 100, finds: [area])
        #expect(look(&looks, at: 300, finds: [], isComplete: false) == ([], []))
        #expect(look(&looks, at: 500, finds: [area], isComplete: false) == ([area], []))
        #expect(look(&looks, at: 1600, finds: [], isComplete: false) == ([], []))
        #expect(looks.due == ms(2601))
        #expect(look(&looks, at: 2601, finds: []) == ([], [area]))
    }

    /// A process forks on a loaded machine: the first looks meet the fork half way and take long.
    /// What it keeps is told all the same.
    @Test func firstLooksAreNotPutOff() {
        var looks = KeptBarLooks()
        looks.request(at: 0)
        #expect(look(&looks, at: 100, finds: [], takes: 120, waits: 80) == ([], []))
        #expect(looks.due == ms(1300))
        #expect(look(&looks, at: 1300, finds: [area], takes: 120, waits: 80) == ([], []))
        #expect(looks.due == ms(1600))
        #expect(look(&looks, at: 1600, finds: [area], takes: 120) == ([area], []))
    }

    /// On a large host a look takes its time; in the long run they take a fiftieth.
    @Test func slowLooksAreRare() {
        var looks = KeptBarLooks()
        looks.request(at: 0)
        _ = look(&looks, at: 100, finds: [area], takes: 600)
        // 100 ms are owed.
        #expect(looks.due == ms(700 + 5000))
        _ = look(&looks, at: 5700, finds: [area], takes: 100)
        looks.request(at: ms(5900))
        #expect(looks.due == ms(5800 + 5000))
        looks.hurry(at: ms(6000))
        #expect(looks.due == ms(6000))
    }

    @Test func waitingIsNoCost() {
        var looks = KeptBarLooks()
        for round in 0..<20 {
            looks.request(at: ms(UInt64(round) * 3000))
            _ = look(&looks, at: UInt64(round) * 3000 + 1000, finds: [area], takes: 1, waits: 900)
        }
        #expect(looks.due == ms(19 * 3000 + 1901 + 1000))
    }

    /// What is saved has a limit: after a quiet day an hour of forks costs its fiftieth and no
    /// more.
    @Test func savingsHaveALimit() {
        var looks = KeptBarLooks()
        var time: UInt64 = 86_400_000
        let end = time + 3_600_000
        var cost: UInt64 = 0
        while time < end {
            looks.request(at: ms(time))
            time = max(time, looks.due / 1_000_000)
            _ = look(&looks, at: time, finds: [], takes: 100)
            cost += 100
            time += 100
        }
        #expect(cost < 3_600_000 / 50 + 500 + 200)
    }
}

@Suite("Where the kernel maps memory")
struct MemoryLayoutScanTests {
    /// Linux puts it at one of two places, and up to some TiB above with KASLR.
    @Test func levelsFollowFromTheDirectMap() {
        #expect(MemoryLayoutScan.pageTableLevels(directMap: 0xffff_8880_0000_0000) == 4)
        #expect(MemoryLayoutScan.pageTableLevels(directMap: 0xffff_9c8a_4000_0000) == 4)
        #expect(MemoryLayoutScan.pageTableLevels(directMap: 0xff11_0000_0000_0000) == 5)
        #expect(MemoryLayoutScan.pageTableLevels(directMap: 0) == 0)
    }
}
