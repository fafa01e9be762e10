// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
import TestSupport
import Testing
@testable import Outputs

/// Lines of mappings against a naive writer's: numbers, times, addresses and names at their limits
/// and anywhere between.
@Suite struct LineTests {
    private func number(_ random: inout Random) -> UInt64 {
        switch random.below(4) {
        case 0: random.next() >> UInt64(random.below(64))
        case 1: [0, 1, 9, 10, .max, .max - 1, UInt64(Int64.max), 1 << 63][random.below(8)]
        case 2: (0..<random.below(20)).reduce(1) { power, _ in power * 10 } &- UInt64(random.below(2))
        default: 4096
        }
    }

    private func small(_ random: inout Random) -> UInt32 { UInt32(truncatingIfNeeded: number(&random)) }

    private func actor(_ random: inout Random) -> Actor {
        if random.chance(20) { return Actor() }
        let names: [[UInt8]] = [
            Array("qemu-system-x86".utf8), Array("sixteen bytes ok".utf8), [], Array("\"\\\u{1}é".utf8),
            Array(repeating: 1, count: 16),
            Array(repeating: 0xff, count: 16), Array("seven b".utf8), Array("~\u{7f}".utf8), Array("exactly8".utf8),
        ]
        let name = names[random.below(names.count)]
        return Actor(
            process: ProcessKey(pid: small(&random), start: number(&random)), tid: small(&random), uid: small(&random),
            cgroup: number(&random),
            comm: name.withUnsafeBytes { $0.isEmpty ? Comm() : Comm(copying: $0.baseAddress!, count: $0.count) })
    }

    private func kind(_ random: inout Random) -> Event.Kind {
        let iommu = IOMMUKey(1)
        switch random.below(3) {
        case 0:
            return .mappingRemoved(
                MappingRemoved(
                    iommu: iommu, iova: number(&random), size: number(&random),
                    cause: [.request, .teardown, .failedMap][random.below(3)]))
        case 1:
            return .unmapRequest(
                UnmapRequest(
                    iommu: iommu, iova: number(&random), size: number(&random), flags: small(&random),
                    result: Int32(truncatingIfNeeded: number(&random)),
                    requested: random.chance(50) ? number(&random) : nil))
        default:
            var map = MapRequest(
                iommu: iommu, iova: number(&random), vaddr: number(&random), size: number(&random),
                readable: random.chance(50),
                writable: random.chance(50), result: random.chance(50) ? 0 : -Int32(random.below(140)),
                deviceBytes: random.chance(50) ? 0 : number(&random),
                moreExtents: random.chance(20), began: number(&random), vaddrOnly: random.chance(20),
                provenance: [.observed, .snapshot, .inferred][random.below(3)])
            map.isMemoryGone = random.chance(20)
            map.isTargetUnknown = random.chance(20)
            if random.chance(30) {
                map.backing = Backing(
                    kind: [.file, .memfd, .anonymous][random.below(3)], device: small(&random), inode: number(&random),
                    offset: number(&random))
            }
            return .map(map)
        }
    }

    /// Near the last one, so that what is kept between lines is used, or anywhere.
    private func time(after last: UInt64, _ random: inout Random) -> UInt64 {
        switch random.below(10) {
        case 0: number(&random)
        case 1: last &- UInt64(random.below(2_000_000_000))
        case 2: last &+ UInt64(random.below(2_000_000_000))
        case 3: last / 1_000_000_000 * 1_000_000_000 &- UInt64(random.below(2))
        default: last &+ UInt64(random.below(2000))
        }
    }

    @Test(arguments: 0..<60) func mappings(seed: Int) {
        var random = Random(seed: UInt64(seed))
        let offsets: [Int64] = [
            0, 1_790_000_000_123_456_789, -5_000_000_001, .max, .min, Int64(bitPattern: random.next()),
        ]
        let offset = offsets[seed % offsets.count]
        let naive = NaiveLines(clockOffset: offset, showVaddr: seed % 2 == 0)
        var session = Session(toolVersion: "", kernel: "", machine: "", bootID: "", clockOffset: 0, began: 0, hooks: [])
        session.clockOffset = offset
        var expected: [String] = []
        let graph = Graph()
        let found = ByteWriter.gather { out in
            var lines = JSONLines(options: OutputOptions(showVaddr: naive.showVaddr))
            lines.begin(session, devices: [], into: &out)
            var event = Event(time: number(&random), actor: actor(&random), kind: .processExit)
            var applied = Applied()
            for _ in 0..<400 {
                event.time = time(after: event.time, &random)
                if random.chance(30) { event.actor = actor(&random) }
                if random.chance(20) { applied.container = random.chance(20) ? nil : ContainerID(small(&random)) }
                event.kind = kind(&random)
                lines.event(event, applied: applied, graph: graph, into: &out)
                expected.append(naive.line(event, in: applied.container))
            }
        }
        let written = OutputsTests.lines(found).dropFirst()
        for (line, wanted) in zip(written, expected) where line != wanted {
            Issue.record("\(line)\n\(wanted)")
            return
        }
        #expect(written.count == expected.count)
    }

    /// Every nanosecond around the borders of seconds and of what the clocks can say.
    @Test func stampsAtTheirBorders() {
        for offset in [0, 1, -1, 999_999_999, 1_790_000_000_500_000_000, .max, .min] as [Int64] {
            var stamps = LineStamps()
            stamps.clockOffset = offset
            let borders: [UInt64] = [
                0, 999_999_999, 1_000_000_000, 500_000_000_000, UInt64(bitPattern: .max &- offset),
                UInt64(bitPattern: 0 &- offset), .max,
            ]
            for border in borders {
                for step in -3...3 {
                    let time = border &+ UInt64(bitPattern: Int64(step))
                    let found = ByteWriter.gather { out in
                        var cursor = out.room(64)
                        stamps.put(time, &cursor)
                        cursor.put(" ")
                        stamps.put(alone: time, &cursor)
                        out.commit(cursor)
                    }
                    #expect(
                        text(found)
                            == #"\#(time),"#
                            + #""time":"\#(NaiveLines.time(Int64(truncatingIfNeeded: time) &+ offset))" \#(time)"#
                    )
                }
            }
        }
    }

    @Test func digits() {
        var random = Random(seed: 3)
        for value in (0..<1000).map({ UInt64($0) }) + (0..<100_000).map({ _ in random.next() % 100_000_000 }) + [
            9999, 10_000, 99_999_999,
        ] {
            let naive = String(repeating: "0", count: 8 - String(value).count) + String(value)
            #expect(withUnsafeBytes(of: decimalText(value)) { $0.elementsEqual(naive.utf8) })
        }
        for value in (0..<100_000).map({ _ in random.next() >> 32 }) + [0, 9, 10, 15, 16, 0xffff_ffff, 0x9abc_def0] {
            let hex = String(value, radix: 16)
            #expect(
                withUnsafeBytes(of: hexText(value)) {
                    $0.elementsEqual((String(repeating: "0", count: 8 - hex.count) + hex).utf8)
                })
        }
        for digits in 1...20 {
            let value: UInt64 = 12_345_678_901_234_567_890
            #expect(
                text(ByteWriter.gather { $0.append(value, digits: digits) }) == String(String(value).suffix(digits)))
            if digits <= 16 {
                #expect(
                    text(ByteWriter.gather { $0.append(hex: value, digits: digits) })
                        == String(String(value, radix: 16).suffix(digits)))
            }
        }
    }

    /// Kept text of an actor and a container does not outlive either.
    @Test func actors() {
        var random = Random(seed: 5)
        let all = (0..<6).map { _ in actor(&random) }
        var kept = ActorText()
        for _ in 0..<2000 {
            let who = all[random.below(6)], container = random.chance(30) ? nil : ContainerID(UInt32(random.below(3)))
            let isAlone = random.chance(30)
            func written(_ kept: inout ActorText) -> String {
                text(
                    ByteWriter.gather { out in
                        var cursor = out.room(512)
                        if isAlone {
                            kept.put(who, &cursor)
                        } else {
                            kept.put(who, in: container, &cursor)
                        }
                        out.commit(cursor)
                    })
            }
            var fresh = ActorText()
            #expect(written(&kept) == written(&fresh))
        }
    }
}
