// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Asks the rules about the mappings of device memory, and the areas of BARs, that an event may
/// have changed.
extension Engine {
    mutating func dropCleared(_ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        var gone: [UInt32] = []
        for case .peer(let id) in tracks.keys where graph.peer(id) == nil { gone.append(id) }
        for id in gone.sorted() { drop(.peer(id), emit) }
    }

    /// Mappings with a condition that watches residents, ascending: an event of any device can
    /// change it. O(subjects for which a condition holds).
    var movedPeers: [UInt32] {
        guard !residentRules.isEmpty, !tracks.isEmpty else { return [] }
        var ids: [UInt32] = []
        for case (.peer(let id), let held) in tracks where held.contains(where: { residentRules.contains($0.rule) }) {
            ids.append(id)
        }
        return ids.sorted()
    }

    /// Ids of the mappings that an event may affect, ascending. Only rare events lead here:
    /// O(targeted devices + their mappings).
    func affectedPeers(_ affected: Applied.Affected, _ graph: borrowing Graph) -> [UInt32] {
        var ids: Set<UInt32> = []
        for address in graph.targetedDevices {
            let device = graph.device(address)
            switch affected {
            case .bus(let other): if address.isOnSameBus(as: other) { ids.formUnion(graph.peerIDs(targeting: address)) }
            case .group(let number): if device?.group == number { ids.formUnion(graph.peerIDs(targeting: address)) }
            case .process(let process):
                let isOpener = device?.opener?.process == process
                for peer in graph.peers(targeting: address) where isOpener || peer.creator.process == process {
                    ids.insert(peer.id)
                }
            case .everything: ids.formUnion(graph.peerIDs(targeting: address))
            case .nothing, .mapping, .device: break
            }
        }
        if case .process(let process) = affected {
            ids.formUnion(
                graph.peerIDs { id in
                    graph.container(id).map { container in
                        container.opener?.process == process
                            || graph.devices(in: container).contains { $0.opener?.process == process }
                    } ?? false
                })
        }
        return ids.sorted()
    }

    /// Ids of the mappings that an event of a device or a group may affect although they lead
    /// elsewhere, ascending: whether a device of their container can start a DMA may have changed.
    /// O(peer mappings), for an open, a close, an attach or a detach.
    func peersOfContainer(_ applied: borrowing Applied, _ graph: borrowing Graph) -> [UInt32] {
        var wanted = applied.container
        if case .device(let address) = applied.affects { wanted = graph.containerID(of: address) }
        return graph.peerIDs { wanted == nil || $0 == wanted }
    }

    /// - Parameter ids: of peer mappings, each judged in this order.
    mutating func judge(_ ids: some Sequence<UInt32>, _ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        // Nearly always they are all in one container.
        var last: (container: ContainerID, reach: DMAReach)?
        for id in ids {
            guard let peer = graph.peer(id) else { continue }
            if last?.container != peer.container { last = (peer.container, graph.dmaReach(of: peer.container)) }
            judge(peer, last!.reach, graph, emit)
        }
    }

    private mutating func judge(
        _ peer: PeerMapping, _ reach: DMAReach, _ graph: borrowing Graph, _ emit: (Finding) -> Void
    ) {
        let id = peer.id
        for target in peer.targets.indices {
            guard let exposure = Exposure(peer, index: target, reach: reach, graph: graph) else { continue }
            for (index, rule) in exposureRules {
                // A teardown is no finding: teardown-stuck reports one that does not end.
                var verdict = reach == .ending ? nil : rule.evaluate(exposure, graph: graph)
                if verdict != nil, rule.weighsMSIXTable, reach == .possible, exposure.holdsMSIXTable(graph) {
                    verdict!.severity = verdict!.severity.raised
                    verdict!.holdsMSIXTable = true
                }
                update(.peer(id), target, index, verdict, emit)
            }
        }
    }

    // MARK: Areas of BARs

    /// Areas are rare. O(areas), and O(subjects for which a condition holds) while there are areas,
    /// or were at the previous call.
    mutating func judgeAreas(_ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        let hadAreas = hasAreas
        hasAreas = graph.hasKeptAreas
        guard hasAreas || hadAreas else { return }
        var gone: [UInt32] = []
        for case .area(let id) in tracks.keys where graph.keptArea(id) == nil { gone.append(id) }
        for id in gone.sorted() { drop(.area(id), emit) }
        for area in graph.allKeptAreas {
            for (index, rule) in areaRules { update(.area(area.id), 0, index, rule.evaluate(area, graph: graph), emit) }
        }
    }
}
