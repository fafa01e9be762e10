// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// How the engine judges containers and single calls.
extension Engine {
    /// Asks the rules about the containers that an event may have changed, and about those for
    /// which a condition holds. Only rare events lead here: O(containers) at worst.
    mutating func judgeContainers(_ applied: borrowing Applied, _ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        if applied.containerChange == .count {
            if let id = applied.container { judge(id, onlyCount: true, graph, emit) }
            return
        }
        var ids: Set<ContainerID> = []
        if let id = applied.container { ids.insert(id) }
        for case .container(let id) in tracks.keys { ids.insert(id) }
        switch applied.affects {
        case .nothing, .mapping: break
        case .device(let address): if let id = graph.containerID(of: address) { ids.insert(id) }
        case .group(let number): if let id = graph.groups[number]?.container { ids.insert(id) }
        case .bus(let address):
            for other in graph.devices.keys where other.isOnSameBus(as: address) {
                if let id = graph.containerID(of: other) { ids.insert(id) }
            }
        case .process, .everything: for container in graph.containers { ids.insert(container.id) }
        }
        for id in ids.sorted() { judge(id, onlyCount: false, graph, emit) }
        for id in lints.ended(graph) {
            for finding in lints.close(id, at: now) { emit(finding) }
        }
    }

    private mutating func judge(_ id: ContainerID, onlyCount: Bool, _ graph: borrowing Graph, _ emit: (Finding) -> Void)
    {
        guard let container = graph.container(id) else { return }
        guard container.iommu != nil else { return drop(.container(id), emit) }
        for (index, rule) in containerRules where !onlyCount || rule.watchesMappingCount {
            let isHolding = tracks[.container(id)]?.contains { $0.rule == index } ?? false
            update(.container(id), 0, index, rule.evaluate(container, isHolding: isHolding, graph: graph), emit)
        }
    }

    // MARK: Lints

    /// Judges one call. A container that is not known, because records were lost, has no lints.
    @usableFromInline
    mutating func lint(
        _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ emit: (Finding) -> Void
    ) {
        guard let id = applied.container, let linked = graph.container(id)?.linked else { return }
        for (index, rule) in eventRules {
            guard let occurrence = rule.evaluate(event, applied: applied, graph: graph) else { continue }
            let key = LintTable.Key(rule: index, container: id, kind: occurrence.kind)
            if lints.count(key, at: now) { continue }
            let target = occurrence.target.flatMap { $0.device == nil ? nil : $0 }
            let finding = Finding(
                id: number(), rule: rule.slug, severity: occurrence.severity, state: .open, time: now, container: id,
                iova: occurrence.iova,
                size: occurrence.size, device: target?.device, bar: target?.bar, barOffset: target?.barOffset,
                reachable: target?.device.flatMap { graph.device($0)?.isReachable }, since: now, actor: event.actor,
                message: rule.message(event, applied: applied, graph: graph),
                isAfterGap: graph.lastGap.map { now <= $0.end } ?? false, occurrences: 1)
            lints.open(key, finding, linked: linked)
            emit(finding)
        }
    }
}
