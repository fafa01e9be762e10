import Events

/// The creators of mappings, by a small index: one a process, as it was at its first mapping.
struct ActorTable: Sendable {
    private(set) var actors: [Actor] = []
    private var byProcess: [ProcessKey: UInt32] = [:]
    private var last: UInt32 = 0
    /// What they have pinned, by index.
    private(set) var memory: [PinnedMemory] = []
    /// How many of them are near what they may lock.
    private(set) var nearLimit = 0
    /// Whether they have exited, by index; empty as long as nobody has.
    private var exits: [Bool] = []

    /// O(1); without hashing for the process that came last.
    mutating func index(of actor: Actor) -> UInt32 {
        if Int(last) < actors.count, actors[Int(last)].process == actor.process { return last }
        if let known = byProcess[actor.process] {
            last = known
        } else {
            last = UInt32(actors.count)
            byProcess[actor.process] = last
            actors.append(actor)
            memory.append(PinnedMemory())
        }
        return last
    }

    /// O(1); one comparison as long as nobody has exited.
    func hasExited(_ index: UInt32) -> Bool { Int(index) < exits.count && exits[Int(index)] }

    /// The index of a process that has exited from now on, nil for one that has made no mapping.
    mutating func exit(_ process: ProcessKey) -> UInt32? {
        guard let index = byProcess[process] else { return nil }
        while exits.count <= Int(index) { exits.append(false) }
        exits[Int(index)] = true
        return index
    }

    /// nil for one that has made no mapping. O(1).
    func find(_ process: ProcessKey) -> UInt32? { byProcess[process] }

    // MARK: Pinned memory

    /// Whether the process is near its limit now and was not before. O(1).
    @inline(__always)
    mutating func pin(_ ram: UInt64, by index: UInt32, slot: Int, at time: UInt64?) -> Bool {
        guard memory[Int(index)].pin(ram, slot: slot, at: time) else { return false }
        nearLimit += 1
        return true
    }

    /// Whether the process is near its limit no more. O(1).
    @inline(__always)
    mutating func unpin(_ ram: UInt64, by index: UInt32, at time: UInt64?) -> Bool {
        guard memory[Int(index)].unpin(ram, at: time) else { return false }
        nearLimit -= 1
        return true
    }

    mutating func setLimit(_ limit: UInt64?, percent: Int, of index: UInt32) {
        memory[Int(index)].setLimit(limit, percent: percent)
        nearLimit = memory.count { $0.nearIn >= 0 }
    }

    /// The container is gone. O(processes).
    mutating func leave(slot: Int) {
        guard nearLimit > 0 else { return }
        for index in memory.indices { memory[index].leave(slot: slot) }
        nearLimit = memory.count { $0.nearIn >= 0 }
    }

    subscript(index: UInt32) -> Actor {
        Int(index) < actors.count ? actors[Int(index)] : Actor()
    }
}
