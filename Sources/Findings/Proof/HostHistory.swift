// SPDX-License-Identifier: Apache-2.0
import Events

/// What happened on one host, as a value: the events of a rule's proof.
///
/// The times of all calls are milliseconds since boot.
public struct HostHistory: HistoryBuilder, Sendable {
    /// In the order of the calls.
    public private(set) var events: [Event] = []
    /// The end of the history, nanoseconds since boot.
    public private(set) var end: UInt64 = 0
    /// The container limit, dma_entry_limit; nil for the kernel's default.
    public var mappingLimit: Int?
    /// Whether the host remaps interrupts; nil if that is not known.
    public var remapsInterrupts: Bool?

    public init() {}

    public mutating func at(_ time: UInt64, _ kind: Event.Kind, by actor: Actor) {
        advance(to: time)
        events.append(Event(time: time * 1_000_000, actor: actor, kind: kind))
    }

    public mutating func advance(to time: UInt64) { end = max(end, time * 1_000_000) }
}
