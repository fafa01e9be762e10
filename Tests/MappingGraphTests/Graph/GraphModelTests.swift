// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

@testable import MappingGraph

/// Compares the graph with `NaiveGraph` on random histories.
@Suite struct GraphModelTests {
    @Test(arguments: 1...UInt64(20)) func agreesWithTheNaiveGraph(seed: UInt64) {
        var random = Random(seed: seed)
        var graph = Graph.prepared()
        graph.apply(7, .containerOpen(c2))
        graph.apply(7, .groupAttach(nicGroup, c2))
        graph.apply(7, .iommuOpen(i2, type: 1, container: nil))
        graph.apply(7, .iommuAttach(i2, group: nicGroup, result: 0))
        var naive = NaiveGraph()
        naive.apply(Event(time: 1, kind: .deviceInfo(info(gpu, group: gpuGroup, bar: gpuBar))))
        naive.apply(Event(time: 1, kind: .deviceInfo(info(nic, group: nicGroup, bar: nicBar))))
        naive.containerOfGroup = [gpuGroup: c1, nicGroup: c2]
        for step in 0..<4000 {
            for event in history(&random, time: UInt64(step + 10)) {
                _ = graph.apply(event)
                naive.apply(event)
            }
            if step % 200 == 199 { compare(graph, naive, "seed \(seed), step \(step)") }
        }
    }

    private func history(_ random: inout Random, time: UInt64) -> [Event] {
        let iommu = random.chance(50) ? i1 : i2
        let who = random.chance(50) ? vmA : vmB
        let device = random.chance(50) ? gpu : nic
        let iova = UInt64(random.below(300)) << 12
        func event(_ kind: Event.Kind) -> Event { Event(time: time, actor: who, kind: kind) }
        switch random.below(100) {
        case 0..<30: return [event(.map(MapRequest(iommu: iommu, iova: iova, size: UInt64(1 + random.below(8)) << 12)))]
        case 30..<50:
            let pages = UInt64(1 + random.below(6))
            // Sometimes beyond the BAR's end.
            let address = (device == gpu ? gpuBar : nicBar) + UInt64(random.below(260)) << 12
            return [
                event(.extent(Extent(iova: iova, address: address, size: pages << 12))),
                event(
                    .map(
                        MapRequest(
                            iommu: iommu, iova: iova, size: pages << 12, result: random.chance(10) ? -14 : 0,
                            deviceBytes: pages << 12, extentCount: 1))),
            ]
        case 50..<85:
            return [
                event(
                    .mappingRemoved(
                        MappingRemoved(
                            iommu: iommu, iova: iova, size: 4096, cause: random.chance(10) ? .failedMap : .request)))
            ]
        case 85..<87: return [event(.deviceFirstOpen(DeviceUse(device: device)))]
        case 87..<89: return [event(.deviceLastClose(DeviceUse(device: device)))]
        case 89..<92: return [event(.memoryDecode(device, enabled: random.chance(50), by: .vfio))]
        case 92..<95:
            return [event(.reset(device, phase: random.chance(50) ? .begin : .end, wholeBus: random.chance(30)))]
        case 95..<98: return [event(.power(device, state: PowerState.allCases[random.below(6)], by: .host))]
        case 98:
            let group = device == gpu ? gpuGroup : nicGroup, key = device == gpu ? c1 : c2
            return [event(.groupDetach(group, key)), event(.groupAttach(group, key))]
        default:
            // The IOMMU side goes and comes back under the same pointer.
            guard random.chance(20) else { return [] }
            let group = iommu == i1 ? gpuGroup : nicGroup
            return [
                event(.iommuRelease(iommu)), event(.iommuOpen(iommu, type: 1, container: nil)),
                event(.iommuAttach(iommu, group: group, result: 0)),
            ]
        }
    }

    private func compare(_ graph: borrowing Graph, _ naive: NaiveGraph, _ context: Comment) {
        for iommu in [i1, i2] {
            guard let id = graph.container(for: iommu)?.id else {
                Issue.record("\(context): no container")
                continue
            }
            let expected = naive.rows[iommu] ?? [:]
            let rows = Dictionary(
                uniqueKeysWithValues: graph.mappings(in: id).map { mapping in
                    (
                        mapping.iova,
                        NaiveGraph.Row(
                            size: mapping.size, pid: graph.actor(at: mapping.owner).process.pid,
                            places: mapping.peer.map { places(graph.peer($0)!) } ?? [])
                    )
                })
            #expect(rows == expected, context)
            #expect(graph.mappings(in: id).map(\.iova) == expected.keys.sorted(), context)
            #expect(graph.mappedBytes(in: id) == expected.values.reduce(0) { $0 + $1.size }, context)
            #expect(graph.mappings(in: id).brokenInvariant() == nil, context)
        }
        for (address, unit) in naive.units {
            let device = graph.device(address)!
            #expect(
                NaiveGraph.Unit(
                    isOpen: device.isOpen, generation: device.openGeneration, decode: device.memoryEnabled,
                    depth: Int(device.resetDepth),
                    power: device.power, opener: device.opener?.process.pid) == unit, context)
            let targeting = graph.peerMappings.filter { $0.targets.contains { $0.device == address } }.map(\.id)
            #expect(graph.peerIDs(targeting: address) == targeting, context)
        }
        #expect(graph.containers.count == 2, context)
    }

    private func places(_ peer: PeerMapping) -> [String] {
        peer.targets.flatMap { target in
            stride(from: 0, to: target.size, by: 4096).map { offset in
                (target.device.map { "\($0)+\(target.barOffset + offset)" } ?? "nowhere")
                    + " at \(target.iova + offset)"
            }
        }
    }
}
