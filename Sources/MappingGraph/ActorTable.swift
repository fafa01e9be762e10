import Events

/// The creators of mappings, by a small index: one a process, as it was at its first mapping.
struct ActorTable: Sendable {
    private(set) var actors: [Actor] = []
    private var byProcess: [ProcessKey: UInt32] = [:]
    private var last: UInt32 = 0

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

    subscript(index: UInt32) -> Actor {
        Int(index) < actors.count ? actors[Int(index)] : Actor()
    }
}
