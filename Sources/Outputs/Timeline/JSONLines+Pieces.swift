// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// How a line begins and ends, and pieces that many lines have.
extension JSONLines {
    /// More bytes than any line takes that has no texts but the names of a process and of an error.
    static let ordinaryLine = 1024

    /// Writes the beginning of a line up to and including who did it; counts it.
    mutating func open(_ type: TimelineLine, _ action: TimelineWord, _ event: Event, _ out: inout ByteWriter) {
        openUnattributed(type, action, event, &out)
        actor(event.actor, &out)
    }

    /// The same for what the tool itself found out, which has no actor.
    mutating func openUnattributed(
        _ type: TimelineLine, _ action: TimelineWord, _ event: Event, _ out: inout ByteWriter
    ) {
        assert(type.actions.contains(action))
        counts[type.rawValue] &+= 1
        begin(type, &out)
        out.member(.action, action)
        times(event.time, &out)
    }

    /// Writes `{"type":"…"`.
    func begin(_ type: TimelineLine, _ out: inout ByteWriter) {
        out.append("{")
        out.member(.type, type.word)
    }

    /// Writes `t` and `time`.
    mutating func times(_ time: UInt64, _ out: inout ByteWriter) {
        out.key(TimelineWord.t.text)
        var line = out.room(Self.ordinaryLine)
        stamps.put(time, &line)
        out.commit(line)
    }

    /// Writes who did it, unless nobody is named.
    mutating func actor(_ actor: Actor, _ out: inout ByteWriter) {
        var line = out.room(Self.ordinaryLine)
        actorText.put(actor, &line)
        out.commit(line)
    }

    /// `,"result":0`, and the error's name for a negative one.
    func result(_ result: Int32, _ out: inout ByteWriter) {
        var line = out.room(Self.ordinaryLine)
        line.put(result: result)
        out.commit(line)
    }

    func close(_ out: inout ByteWriter) { out.line("}") }
}
