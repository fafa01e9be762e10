// SPDX-License-Identifier: Apache-2.0
import Events

/// The creators of mappings, by a small index. There is one entry for each address space: its
/// process as it was at the first mapping. A process that runs another program has another address
/// space, and so another index.
struct ActorTable: Sendable {
    enum State: UInt8, Sendable {
        case alive
        /// Its address space is gone, but its process has not been seen to exit.
        case memoryGone
        case exited
    }

    private(set) var actors: [Actor] = []
    private var byProcess: [ProcessKey: UInt32] = [:]
    private var last: UInt32 = 0
    /// The memory that each has pinned, by index.
    private(set) var memory: [PinnedMemory] = []
    /// How many of them are near the limit of what they may lock.
    private(set) var nearLimit = 0
    /// By index; empty as long as all are alive.
    private var states: [State] = []
    /// Indices whose address space is gone, by process.
    private var former: [ProcessKey: [UInt32]] = [:]

    /// O(1), without hashing for the same process as in the previous call.
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

    /// The index of a process; nil if it has made no mapping in its present address space. O(1),
    /// without hashing for the same process as in the previous call.
    @inline(__always)
    mutating func known(_ process: ProcessKey) -> UInt32? {
        if Int(last) < actors.count, actors[Int(last)].process == process { return last }
        guard let known = byProcess[process] else { return nil }
        last = known
        return known
    }

    /// O(1): one comparison as long as all are alive.
    func state(_ index: UInt32) -> State { Int(index) < states.count ? states[Int(index)] : .alive }

    /// Records that a process has exited. Returns whether it had made any mapping.
    mutating func exit(_ process: ProcessKey) -> Bool {
        var indices = former[process] ?? []
        if let index = byProcess[process] { indices.append(index) }
        for index in indices { set(.exited, index) }
        return !indices.isEmpty
    }

    /// Records that a process has left its address space. Returns whether it had made any mapping
    /// from it.
    mutating func exec(_ process: ProcessKey) -> Bool {
        guard let index = byProcess[process], state(index) == .alive else { return false }
        byProcess[process] = nil
        leave(index, process)
        return true
    }

    /// The index of a process's former address space; of the last, if there were several.
    mutating func formerIndex(of actor: Actor) -> UInt32 {
        if let known = former[actor.process]?.last { return known }
        if let known = byProcess[actor.process], state(known) == .exited { return known }
        let index = UInt32(actors.count)
        actors.append(actor)
        memory.append(PinnedMemory())
        leave(index, actor.process)
        return index
    }

    private mutating func leave(_ index: UInt32, _ process: ProcessKey) {
        former[process, default: []].append(index)
        set(.memoryGone, index)
        if last == index { last = .max }
    }

    private mutating func set(_ state: State, _ index: UInt32) {
        while states.count <= Int(index) { states.append(.alive) }
        states[Int(index)] = state
    }

    /// The index of a process; nil if it has made no mapping. O(1).
    func find(_ process: ProcessKey) -> UInt32? { byProcess[process] }

    // MARK: Pinned memory

    /// Adds pinned RAM. Returns whether this brought the process near its limit. O(1).
    @inline(__always)
    mutating func pin(_ ram: UInt64, by index: UInt32, slot: Int, at time: UInt64?) -> Bool {
        guard memory[Int(index)].pin(ram, slot: slot, at: time) else { return false }
        nearLimit += 1
        return true
    }

    /// Subtracts pinned RAM. Returns whether the process thereby stopped being near its limit.
    /// O(1).
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

    /// Forgets a container that no longer exists. O(processes).
    mutating func leave(slot: Int) {
        guard nearLimit > 0 else { return }
        for index in memory.indices { memory[index].leave(slot: slot) }
        nearLimit = memory.count { $0.nearIn >= 0 }
    }

    subscript(index: UInt32) -> Actor {
        Int(index) < actors.count ? actors[Int(index)] : Actor()
    }
}
