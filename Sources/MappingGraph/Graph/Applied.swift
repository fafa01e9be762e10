// SPDX-License-Identifier: Apache-2.0
import Events

/// What an event changed in the graph, for the rules and the writers.
///
/// Most events are ordinary records, which set only `container` and `containerChange`. Like the
/// graph it is lent, never copied: two copies for each event would cost more than the rules.
public struct Applied: ~Copyable, Sendable {
    /// The container that the event concerns.
    public var container: ContainerID?
    /// Whether the container appears for the first time, opened or inferred.
    public var newContainer = false
    /// Whether the event bound the container to its IOMMU side.
    public var linked = false
    /// The `PeerMapping.id` that was made or removed.
    public var peer: UInt32?
    /// The mapping that is gone: unmapped, or replaced by a map.
    public var removed: Mapping?
    /// Whether an unmap or a map concerns a mapping that the graph already had.
    public var known = false
    /// Whether a map replaced a mapping whose removal was not seen, which is `removed`.
    public var replaced = false
    /// Whether another thread had removed a map's mapping before the map's record was written. The
    /// mapping is not in force, and `peer` is nil.
    public var raced = false
    /// Whether mappings went away with their container, without separate removals.
    public var cleared = false
    /// Mappings that a snapshot did not find. They are gone, but their removal was not seen.
    public var missing: [Mapping] = []
    /// The targets of a map, whether or not it succeeded; empty for RAM only.
    public var targets = Few<Target>()
    /// For an unmap request that returned: the mappings that its thread had removed.
    public var removedByRequest = RemovedByRequest()
    /// The peer mappings whose findings may change.
    public var affects = Affected.nothing
    /// Whether it may have changed which devices of the container can start a DMA: a device was
    /// opened or closed, or a group came or went.
    public var changesReach = false
    /// What may have changed in containers, for rules that judge them.
    public var containerChange = ContainerChange.nothing
    /// Whether a map or an unmap request failed, did nothing, or requested something odd.
    public var isUnusual = false

    /// The inode of the dma-buf that the event concerns.
    public var buffer: UInt64?

    /// Whether the event is an ordinary record that met an ordinary state. Then only `container`
    /// and `containerChange` are set.
    @inlinable public var isOrdinary: Bool { ordinary }
    @usableFromInline var ordinary = false

    /// Swift 6.3 lends a value of known layout by copying its bytes. A value that contains an
    /// existential is lent by address.
    private let lentByAddress: any Sendable = ()

    public init() {}

    /// Sets this to the result of an ordinary record. If the previous one was ordinary too, only
    /// two values change. That is why a pipeline reuses one value for all events: creating each
    /// anew costs 150 instructions.
    @inline(__always)
    mutating func setOrdinary(_ container: ContainerID, _ change: ContainerChange) {
        if !ordinary {
            self = Applied()
            ordinary = true
        }
        self.container = container
        containerChange = change
    }

    /// What changed in a container. A map or an unmap of RAM seldom changes anything that rules ask
    /// for: then this is `nothing`.
    public enum ContainerChange: Sendable, Equatable {
        case nothing
        /// The number of its mappings passed a mark below `Graph.mappingLimit`, or a process's
        /// pinned memory passed a mark below its limit.
        case count
        /// Anything else: the first mapping was made, the last was removed, or descriptors, groups,
        /// devices or processes changed.
        case state
    }

    /// The peer mappings for which the event may change a rule's answer, in addition to
    /// `removed?.peer`.
    public enum Affected: Sendable, Equatable {
        case nothing
        /// The mapping `peer` was made.
        case mapping
        /// Mappings that target the device.
        case device(PCIAddress)
        /// Mappings that target a device on the same bus as this one.
        case bus(PCIAddress)
        /// Mappings that target a device of the group.
        case group(UInt32)
        /// Mappings that the process made, or whose target it has open.
        case process(ProcessKey)
        /// All mappings, as in a snapshot after a loss.
        case everything
    }
}
