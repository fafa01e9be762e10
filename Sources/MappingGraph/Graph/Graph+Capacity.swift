// SPDX-License-Identifier: Apache-2.0
import Events

/// The number of a container's mappings, and their limit.
public struct MappingCapacity: Sendable, Equatable {
    public var mappings: Int
    public var limit: Int
    /// The time until the container is full at the rate of the last seconds, nanoseconds; nil if it
    /// does not grow.
    public var exhaustedIn: UInt64?
}

/// The amount of RAM that a process's mappings pin, and the amount that it may lock.
public struct MemoryCapacity: Sendable, Equatable {
    public var pinnedBytes: UInt64
    /// nil if there is no limit or it is unknown: no RLIMIT_MEMLOCK, or CAP_IPC_LOCK.
    public var limitBytes: UInt64?
    /// The time until the limit is reached at the rate of the last seconds, nanoseconds; nil if the
    /// amount does not grow.
    public var exhaustedIn: UInt64?
}

extension Graph {
    /// The budget at a time (nanoseconds since boot) that is not before the last event. O(1).
    public func mappingCapacity(of id: ContainerID, at time: UInt64) -> MappingCapacity {
        let count = mappingCount(in: id)
        guard id.number > 0, Int(id.number) <= slots.count else {
            return MappingCapacity(mappings: 0, limit: mappingLimit)
        }
        let rest = UInt64(max(0, mappingLimit - count))
        return MappingCapacity(
            mappings: count, limit: mappingLimit,
            exhaustedIn: slots[Int(id.number) - 1].growth.nanoseconds(toGrowBy: rest, at: time))
    }

    /// The pinned memory of a process; nil if it has made no mapping. O(1).
    public func memoryCapacity(of process: ProcessKey, at time: UInt64) -> MemoryCapacity? {
        guard let index = actors.find(process) else { return nil }
        let memory = actors.memory[Int(index)]
        let rest = memory.limit.map { $0 > memory.bytes ? $0 - memory.bytes : 0 }
        return MemoryCapacity(
            pinnedBytes: memory.bytes, limitBytes: memory.limit,
            exhaustedIn: rest.flatMap { memory.growth.nanoseconds(toGrowBy: $0, at: time) })
    }

    /// The process that is nearest to the limit of the memory that it may lock, among those that
    /// have not exited and that a mapping in this container brought near the limit. O(processes),
    /// O(1) if there are none.
    public func nearMemoryLimit(in id: ContainerID) -> Actor? {
        guard actors.nearLimit > 0 else { return nil }
        var nearest: (index: Int, rest: UInt64)?
        for index in actors.memory.indices
        where Int(actors.memory[index].nearIn) == Int(id.number) - 1 && actors.state(UInt32(index)) == .alive {
            guard let limit = actors.memory[index].limit else { continue }
            let rest = limit > actors.memory[index].bytes ? limit - actors.memory[index].bytes : 0
            if rest < nearest?.rest ?? .max { nearest = (index, rest) }
        }
        return nearest.map { actors[UInt32($0.index)] }
    }

    /// The bytes of a mapping that are not device memory. Call this before its peer mapping is
    /// removed.
    func ramBytes(of mapping: Mapping) -> UInt64 {
        guard let peer = mapping.peer, let targets = peers[peer]?.targets else { return mapping.size }
        return mapping.size &- min(mapping.size, targets.reduce(0) { $0 &+ $1.size })
    }

    /// The index of the process that makes a mapping. Its limit is set at its first mapping. O(1).
    mutating func owner(of event: Event) -> UInt32 {
        let known = actors.actors.count
        let index = actors.index(of: event.actor)
        if actors.actors.count > known { learnLimit(of: index) }
        return index
    }

    mutating func learnLimit(of index: UInt32) {
        guard let lock = processes[actors[index].process]?.memoryLock else { return }
        actors.setLimit(lock.effectiveLimit, percent: memlockMarkPercent, of: index)
    }
}
