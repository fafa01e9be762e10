import Events

/// The creators of mappings, by a small index: one a process, as it was at its first mapping.
struct ActorTable: Sendable {
    private(set) var actors: [Actor] = []
    private var byProcess: [ProcessKey: UInt32] = [:]
    private var last: UInt32 = 0
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

    subscript(index: UInt32) -> Actor {
        Int(index) < actors.count ? actors[Int(index)] : Actor()
    }
}
