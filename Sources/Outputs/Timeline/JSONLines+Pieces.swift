import Events
import MappingGraph

/// Pieces that every line has.
extension JSONLines {
    /// More than any line takes that has no texts but the names of a process and of an error.
    static let ordinaryLine = 1024

    /// Writes the beginning of a line up to and including who did it; counts it.
    mutating func open(_ type: LineType, _ opening: StaticString, _ event: Event, _ out: inout ByteWriter) {
        counts[type.rawValue] &+= 1
        out.append(opening)
        var line = out.room(Self.ordinaryLine)
        stamps.put(event.time, &line)
        actorText.put(event.actor, &line)
        out.commit(line)
    }

    /// The same for what the tool itself found out: nobody did it.
    mutating func openUnattributed(_ type: LineType, _ opening: StaticString, _ event: Event, _ out: inout ByteWriter) {
        counts[type.rawValue] &+= 1
        out.append(opening)
        times(event.time, &out)
    }

    /// Writes `t` and `time`; the opening ends with `"t":`.
    mutating func times(_ time: UInt64, _ out: inout ByteWriter) {
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

    /// `,"container":"c1"`, nothing for nil.
    func container(_ id: ContainerID?, _ out: inout ByteWriter) {
        var line = out.room(Self.ordinaryLine)
        line.put(id)
        out.commit(line)
    }

    /// `,"result":0`, and the error's name for a negative one.
    func result(_ result: Int32, _ out: inout ByteWriter) {
        var line = out.room(Self.ordinaryLine)
        line.put(result: result)
        out.commit(line)
    }

    func close(_ out: inout ByteWriter) {
        out.append(byte: 0x7d)
        out.endLine()
    }
}
