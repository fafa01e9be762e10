// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// The processes that the graph formats name.
extension Graph {
    /// Those that the graph at this moment names: openers of containers, groups and devices,
    /// creators of mappings, and who keeps parts of BARs, by pid and start.
    func namedProcesses() -> [Actor] {
        var actors: [ProcessKey: Actor] = [:]
        func add(_ actor: Actor?) {
            if let actor, actor != Actor(), actors[actor.process] == nil { actors[actor.process] = actor }
        }
        for container in containers {
            add(container.opener)
            var owners: Set<UInt32> = []
            for mapping in mappings(in: container.id) where owners.insert(mapping.owner).inserted {
                add(actor(at: mapping.owner))
            }
        }
        for device in devices.values where device.isOpen { add(device.opener) }
        for area in allKeptAreas { add(area.holder) }
        return actors.values.sorted { ($0.process.pid, $0.process.start) < ($1.process.pid, $1.process.start) }
    }
}
