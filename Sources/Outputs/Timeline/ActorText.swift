// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Writes who did it, and in which container. Events come in runs of one actor and one container,
/// so their text is kept.
struct ActorText: Sendable {
    private var actor = Actor()
    private var container: ContainerID?
    /// The fields of the actor, each behind a comma, then the container's.
    private var text = InlineArray<256, UInt8>(repeating: 0)
    private var actorCount = 0
    private var count = 0

    /// Appends who did it, unless nobody is named.
    @inline(__always)
    mutating func put(_ actor: Actor, _ cursor: inout ByteCursor) {
        if _slowPath(actor != self.actor) { remember(actor, container, cursor.place) }
        copy(actorCount, &cursor)
    }

    /// Appends who did it, unless nobody is named, and `,"container":"c1"`, unless there is none.
    @inline(__always)
    mutating func put(_ actor: Actor, in container: ContainerID?, _ cursor: inout ByteCursor) {
        if _slowPath(actor != self.actor || container != self.container) {
            remember(actor, container, cursor.place)
        }
        copy(count, &cursor)
    }

    @inline(__always)
    private mutating func copy(_ count: Int, _ cursor: inout ByteCursor) {
        withUnsafeBytes(of: &text) { cursor.put($0.baseAddress!, of: 128, count: min(count, 128)) }
        if _slowPath(count > 128) {
            withUnsafeBytes(of: &text) { cursor.put($0.baseAddress! + 128, of: 128, count: count &- 128) }
        }
    }

    /// Makes the text in the room behind `place`: 242 bytes at most, were every byte of the name an
    /// escape.
    @inline(never)
    private mutating func remember(
        _ actor: Actor, _ container: ContainerID?, _ place: UnsafeMutableRawPointer
    ) {
        (self.actor, self.container) = (actor, container)
        var cursor = ByteCursor(place)
        if actor != Actor() {
            cursor.put(TimelineLiteral.pid)
            cursor.put(actor.process.pid)
            cursor.put(TimelineLiteral.tid)
            cursor.put(actor.tid)
            cursor.put(TimelineLiteral.start)
            cursor.put(actor.process.start)
            cursor.put(TimelineLiteral.comm)
            cursor.put(actor.comm)
            cursor.put(TimelineLiteral.uid)
            cursor.put(actor.uid)
            cursor.put(TimelineLiteral.cgroup)
            cursor.put(actor.cgroup)
        }
        actorCount = cursor.place - place
        cursor.put(container)
        count = cursor.place - place
        withUnsafeMutableBytes(of: &text) { $0.copyMemory(from: UnsafeRawBufferPointer(start: place, count: count)) }
    }
}
