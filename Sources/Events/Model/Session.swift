// SPDX-License-Identifier: Apache-2.0
/// What is known about the machine and the tracing as a whole: the header of a recording and of a
/// timeline.
public struct Session: Sendable, Equatable {
    public var toolVersion: String
    public var kernel: String
    public var machine: String
    public var bootID: String
    /// Nanoseconds to add to a time since boot to get Unix time.
    public var clockOffset: Int64
    /// When tracing began, nanoseconds since boot.
    public var began: UInt64
    public var hooks: [Hook]
    /// How many mappings a container may have (`dma_entry_limit` of vfio_iommu_type1); nil if
    /// unknown.
    public var mappingLimit: UInt32?
    /// Whether the host remaps interrupts, so that a device can raise only its own; nil if unknown.
    public var remapsInterrupts: Bool?
    /// `allow_unsafe_interrupts` of vfio_iommu_type1; nil if the module is not loaded.
    public var allowsUnsafeInterrupts: Bool?
    /// Whether the host has iommufd, whose mappings are not traced; nil if unknown.
    public var hasIOMMUFD: Bool?

    /// Replaces the session of a recording whose session block was lost.
    public static let unknown = Session(
        toolVersion: Events.toolVersion, kernel: "", machine: "", bootID: "", clockOffset: 0, began: 0, hooks: [])

    public struct Hook: Sendable, Equatable {
        public var name: String
        public var function: String
        /// `fexit`, `fentry`, `kprobe`, `kretprobe`, `raw_tp`, or `missing`.
        public var how: String

        public init(name: String, function: String, how: String) {
            self.name = name
            self.function = function
            self.how = how
        }
    }

    public init(
        toolVersion: String, kernel: String, machine: String, bootID: String, clockOffset: Int64, began: UInt64,
        hooks: [Hook],
        mappingLimit: UInt32? = nil, remapsInterrupts: Bool? = nil, allowsUnsafeInterrupts: Bool? = nil,
        hasIOMMUFD: Bool? = nil
    ) {
        self.toolVersion = toolVersion
        self.kernel = kernel
        self.machine = machine
        self.bootID = bootID
        self.clockOffset = clockOffset
        self.began = began
        self.hooks = hooks
        self.mappingLimit = mappingLimit
        self.remapsInterrupts = remapsInterrupts
        self.allowsUnsafeInterrupts = allowsUnsafeInterrupts
        self.hasIOMMUFD = hasIOMMUFD
    }
}

/// How completely the events were seen: the end of a recording and of a timeline.
public struct Evidence: Sendable, Equatable {
    /// The number of records that the hooks tried to deliver.
    public var attempted: UInt64
    public var delivered: UInt64
    public var lost: UInt64
    /// When tracing ended, nanoseconds since boot.
    public var ended: UInt64
    /// Why the evidence ends early or has holes, if it does.
    public var defects: [String]

    public init(
        attempted: UInt64 = 0, delivered: UInt64 = 0, lost: UInt64 = 0, ended: UInt64 = 0, defects: [String] = []
    ) {
        self.attempted = attempted
        self.delivered = delivered
        self.lost = lost
        self.ended = ended
        self.defects = defects
    }

    public var isComplete: Bool { lost == 0 && defects.isEmpty }
}
