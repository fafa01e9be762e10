import Events

/// What an event meant to the graph, for the rules and the writers that come after.
///
/// Most events are ordinary records, where only `container` and `containerChange` are news. It is
/// lent, never copied, like the graph: two copies for each event cost more than the rules do.
public struct Applied: ~Copyable, Sendable {
    /// The container that the event concerns.
    public var container: ContainerID?
    /// The container appears for the first time, opened or inferred.
    public var newContainer = false
    /// The event bound the container to its IOMMU side.
    public var linked = false
    /// `PeerMapping.id` made or removed.
    public var peer: UInt32?
    /// The mapping that is gone: unmapped, or replaced by a map.
    public var removed: Mapping?
    /// An unmap or a map of a mapping that the graph had already.
    public var known = false
    /// A map took the place of a mapping whose removal was not seen; `removed` is that one.
    public var replaced = false
    /// A map whose mapping another thread had removed before this record was written: it is not in
    /// force and `peer` is nil.
    public var raced = false
    /// Mappings went away with their container, without a removal each.
    public var cleared = false
    /// Mappings that a snapshot did not find: they are gone, and their removal was not seen.
    public var missing: [Mapping] = []
    /// Where a map leads, whether it succeeded or not; empty for RAM only.
    public var targets = Few<Target>()
    /// What its thread had removed when an unmap request returned.
    public var removedByRequest = RemovedByRequest()
    /// Whose findings may change.
    public var affects = Affected.nothing
    /// What may have changed of containers, for rules that judge them.
    public var containerChange = ContainerChange.nothing
    /// A map or an unmap request that failed, did nothing, or asked for something odd.
    public var isUnusual = false

    /// The inode of the dma-buf that the event is about.
    public var buffer: UInt64?

    /// An ordinary record that met an ordinary state: it concerns `container`, whose change is
    /// `containerChange`, and there is nothing else to report.
    @inlinable public var isOrdinary: Bool { ordinary }
    @usableFromInline var ordinary = false

    /// Swift 6.3 lends a value of known layout by copying its bytes. What holds an existential it
    /// lends by address.
    private let lentByAddress: any Sendable = ()

    public init() {}

    /// Makes this the account of an ordinary record. After another one only two values change: a
    /// pipeline keeps one account for all events, because to make each anew costs 150 instructions.
    @inline(__always)
    mutating func setOrdinary(_ container: ContainerID, _ change: ContainerChange) {
        if !ordinary {
            self = Applied()
            ordinary = true
        }
        self.container = container
        containerChange = change
    }

    /// What a map or an unmap of RAM changes of a container is hardly ever news: then this is
    /// `nothing`.
    public enum ContainerChange: Sendable, Equatable {
        case nothing
        /// The number of its mappings passed a mark of `Graph.mappingLimit`, or a process's pinned
        /// memory one of its limit.
        case count
        /// Anything else: its first mapping or none left, its descriptors, groups, devices,
        /// processes.
        case state
    }

    /// The peer mappings for which the event may change a rule's answer. `removed?.peer` comes on
    /// top.
    public enum Affected: Sendable, Equatable {
        case nothing
        /// The mapping `peer` was made.
        case mapping
        /// Those that target the device.
        case device(PCIAddress)
        /// Those that target a device on the same bus as this one.
        case bus(PCIAddress)
        /// Those that target a device of the group.
        case group(UInt32)
        /// Those made by the process, or whose target it has open.
        case process(ProcessKey)
        /// All of them: a snapshot after a loss.
        case everything
    }
}
