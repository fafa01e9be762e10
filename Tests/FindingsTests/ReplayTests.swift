// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
import TestSupport
import Testing

@testable import Findings

/// Random histories: the same findings however often time is advanced, and never two answers to who
/// has the device.
@Suite struct ReplayTests {
    @Test(arguments: 1...UInt64(12)) func advancingMoreOftenChangesNothing(seed: UInt64) {
        let events = history(seed: seed)
        var plain = Host(), eager = Host()
        var last: UInt64 = 0
        for event in events {
            plain.apply(event)
            var tick = last
            while tick < event.time {
                eager.advance(to: tick)
                tick += 37
            }
            last = max(last, event.time)
            eager.apply(event)
        }
        plain.advance(to: last + 1000)
        for tick in last...last + 1000 { eager.advance(to: tick) }
        #expect(plain.findings.map(describe) == eager.findings.map(describe), "seed \(seed)")
        #expect(!plain.findings.isEmpty, "seed \(seed)")
    }

    @Test(arguments: 1...UInt64(12)) func findingsOpenChangeAndResolveInOrder(seed: UInt64) {
        var it = Host()
        for event in history(seed: seed) { it.apply(event) }
        for event in it.graph.peerMappings { it.unmap(1_000_000, iova: event.iova) }
        it.at(1_000_001, .iommuRelease(i1))
        var state: [UInt32: Finding] = [:]
        for finding in it.findings {
            if let before = state[finding.id] {
                #expect(
                    before.state == .open && before.since == finding.since && before.rule == finding.rule,
                    "seed \(seed)")
                #expect(
                    finding.state == .resolved || before.severity != finding.severity
                        || before.reachable != finding.reachable, "seed \(seed)")
            } else {
                #expect(
                    finding.state == .open && finding.time >= finding.since + (finding.occurrences == nil ? 500 : 0),
                    "seed \(seed)")
            }
            #expect(finding.until.map { $0 >= finding.since } ?? (finding.state == .open))
            state[finding.id] = finding
        }
        #expect(state.values.allSatisfy { $0.state == .resolved }, "seed \(seed)")
        #expect(it.engine.openFindings.isEmpty)
    }

    @Test(arguments: 1...UInt64(12)) func atMostOneRuleJudgesWhoHasTheDevice(seed: UInt64) {
        var it = Host()
        let ownership = ["stale-mapping", "isolation-break", "unbound-device", "cross-container"].map {
            RuleRegistry.rule($0) as! any ExposureRule
        }
        var seen: Set<String> = []
        for event in history(seed: seed) {
            it.apply(event)
            for peer in it.graph.peerMappings {
                for index in peer.targets.indices {
                    guard let exposure = Exposure(peer, index: index, reach: .possible, graph: it.graph) else {
                        continue
                    }
                    var holding: [String] = []
                    for rule in ownership where rule.evaluate(exposure, graph: it.graph) != nil {
                        holding.append(rule.slug)
                    }
                    #expect(holding.count <= 1, "seed \(seed): \(holding)")
                    for case let rule as any ExposureRule in RuleRegistry.all {
                        guard let verdict = rule.evaluate(exposure, graph: it.graph) else { continue }
                        #expect(rule.severities.contains(verdict.severity))
                    }
                    seen.formUnion(holding)
                }
            }
        }
        #expect(seen.count >= 3, "seed \(seed): the histories reach too little: \(seen)")
    }

    private func describe(_ finding: Finding) -> String {
        "\(finding.id) \(finding.rule) \(finding.severity.name) \(finding.state) \(finding.time) \(finding.since) "
            + "\(finding.until ?? 0) \(finding.iova ?? 0) "
            + finding.message
    }

    /// 600 events around one device and its mappings, some out of order by a few nanoseconds.
    private func history(seed: UInt64) -> [Event] {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        func below(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        var it = Host.peerToPeer(nicIn: below(2) == 0 ? c1 : c2)
        var time: UInt64 = 200
        for _ in 0..<600 {
            time += UInt64(below(400))
            let at = time - UInt64(below(20))
            let who = below(2) == 0 ? vmA : vmB
            switch below(26) {
            case 0..<4: it.mapNIC(at, iova: UInt64(1 + below(6)) << 24, by: who)
            case 4..<6: it.unmap(at, iova: UInt64(1 + below(6)) << 24)
            case 6..<9: it.open(at, by: who)
            case 9..<12: it.close(at, by: who)
            case 12: it.at(at, .memoryDecode(nic, enabled: below(2) == 0, by: .vfio))
            case 13: it.at(at, .power(nic, state: below(2) == 0 ? .d0 : .d3hot, by: .host))
            case 14: it.at(at, .reset(nic, phase: below(2) == 0 ? .begin : .end, wholeBus: below(2) == 0))
            case 15: it.unbind(at)
            case 16: it.bind(at, below(3) == 0 ? "e1000e" : "vfio-pci")
            case 17:
                it.at(at, below(4) == 0 ? .deviceRemove(nic) : .deviceInfo(info(nic, group: nicGroup, bar: nicBar)))
            case 18: it.at(at, .groupAttach(nicGroup, below(2) == 0 ? c1 : c2))
            case 19:
                it.mapRAM(
                    at, iova: UInt64(below(8)) << 16, result: [0, 0, -17, -14, -22][below(5)], readable: below(9) > 0,
                    by: who)
            case 20: it.remove(at, iova: UInt64(below(8)) << 16, by: who)
            case 21:
                it.unmapReturns(
                    at, iova: UInt64(below(8)) << 16 + UInt64(below(2)) << 12, size: UInt64(below(2)) << 12,
                    flags: [0, 2, 4][below(3)],
                    result: below(2) == 0 ? 0 : -22, by: who)
            case 22: it.at(at, at & 1 == 0 ? .processExit : .processExec, by: who)
            case 23:
                it.at(
                    at,
                    [
                        .deviceLastClose(DeviceUse(device: gpu, group: gpuGroup)),
                        .deviceFirstOpen(DeviceUse(device: gpu, group: gpuGroup)),
                    ][below(2)])
            case 24: it.at(at, below(3) == 0 ? .containerClose(c1) : .loss(since: at - min(at, 50), lost: 1))
            default: it.name(who, below(2) == 0 ? "web-1" : "web-2", at: at)
            }
        }
        return it.history
    }
}
