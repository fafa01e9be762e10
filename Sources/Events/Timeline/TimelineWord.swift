// SPDX-License-Identifier: Apache-2.0
/// The vocabulary of the timeline (docs/timeline.md): every key and every fixed value, once. The
/// writer spells from it, the reader looks words up in it, and tests hold the JSON Schema and the
/// document to it. `TimelineLine` says which actions a type of line has, `TimelineValue` which
/// values spell which word.
///
/// The raw value is the spelling, 16 bytes at most. A case's position serves as an index:
/// `ordinal`.
public enum TimelineWord: TimelineSpelling, CaseIterable {
    // MARK: Keys
    // Of every line.
    case type, t, time, pid, tid, start, comm, uid, cgroup, action
    // Of several types of line.
    case container, group, device, provenance, result, error, bar, size, iova, vaddr, state, since, until
    case iommuType = "iommu_type"
    case barOffset = "bar_offset"
    // Of containers and groups.
    case absorbs, replaces, linked, mappings, unsettled
    case byMapping = "by_mapping"
    // Of devices and their memory.
    case driver, bars, vendor, address, by, memory, power, inode, ranges, revoked, iommufd
    case openCount = "open_count"
    case deviceID = "device_id"
    case classCode = "class"
    case memoryEnabled = "memory_enabled"
    case wholeBus = "whole_bus"
    case msixBar = "msix_bar"
    case msixOffset = "msix_offset"
    case msixSize = "msix_size"
    // Of mappings.
    case read, write, ram, targets, began, cause, flags, requested, backing, raced, replaced, known
    case moreTargets = "more_targets"
    case vaddrOnly = "vaddr_only"
    case memoryGone = "mm_gone"
    case targetUnknown = "target_unknown"
    case backingDevice = "backing_device"
    case backingInode = "backing_inode"
    case backingOffset = "backing_offset"
    // Of processes.
    case exe, vm, command, unit, pod
    case vmUUID = "vm_uuid"
    case containerID = "container_id"
    case cgroupPath = "cgroup_path"
    case memlockLimit = "memlock_limit"
    case ipcLock = "ipc_lock"
    // Of losses and snapshots.
    case lost, added, removed, changed, first
    case afterLoss = "after_loss"
    // Of findings.
    case id, rule, severity, reachable, occurrences, suppressed, message
    case deviceOwner = "device_owner"
    case msixTable = "msix_table"
    case afterGap = "after_gap"
    // Of the header.
    case schema, tool, kernel, machine, hooks, devices, name, function, how
    case bootID = "boot_id"
    case clockOffset = "clock_offset"
    case mappingLimit = "dma_entry_limit"
    case remapsInterrupts = "irq_remapping"
    case allowsUnsafeInterrupts = "unsafe_irqs"
    // Of the summary, which counts lines by type and findings by severity.
    case events, findings, attempted, delivered, complete, defects, from
    case completeSpans = "complete_spans"
    case map, unmap, process, gap
    case info, low, medium, high, critical

    // MARK: Words that are never keys
    // Types.
    case header, finding, summary
    // Actions.
    case open, close, release, attach, detach, add, mmap, bind, unbind, remove, assign
    case request, enable, disable, exit, exec, present, held
    case setIOMMU = "set-iommu"
    case walkBegin = "walk-begin"
    case walkEnd = "walk-end"
    case snapshotBegin = "snapshot-begin"
    case snapshotEnd = "snapshot-end"
    case firstOpen = "first-open"
    case lastClose = "last-close"
    case keptBar = "kept-bar"
    case letGo = "let-go"
    case dmaBufExport = "dma-buf-export"
    case dmaBufRevoke = "dma-buf-revoke"
    case dmaBufRestore = "dma-buf-restore"
    case dmaBufRelease = "dma-buf-release"
    case resetBegin = "reset-begin"
    case resetEnd = "reset-end"
    // Other values.
    case teardown, resync, observed, snapshot, inferred, vfio, host, unknown, file, memfd, anonymous, resolved
    case failedMap = "failed-map"
    case d0 = "D0"
    case d1 = "D1"
    case d2 = "D2"
    case d3hot = "D3hot"
    case d3cold = "D3cold"

    /// Those that are keys of a line or of an object within one: all before the first that is not.
    public static var keys: ArraySlice<TimelineWord> { allCases.prefix { $0 != .header } }

    /// Position among `allCases`: an enum without payload is laid out as its tag (a test checks
    /// that).
    @inline(__always)
    var ordinal: Int { Int(unsafeBitCast(self, to: UInt8.self)) }

    /// Whether the reader does not know it, for it makes findings and what snapshots changed anew:
    /// as a key it is skipped, and as a value it is a fault.
    var isOnlyWritten: Bool {
        switch self {
        case .raced, .replaced, .known, .unit, .pod, .containerID, .added, .changed, .first, .afterLoss, .id, .rule,
            .severity, .reachable, .occurrences, .suppressed, .message, .deviceOwner, .msixTable, .afterGap, .events,
            .findings, .complete, .from, .completeSpans, .low, .medium, .high, .critical, .resolved:
            true
        default: false
        }
    }
}

extension TimelineWord: CustomStringConvertible {
    @inlinable public var text: StaticString { rawValue.text }
    public var description: String { text.description }
}

/// A literal that is a word's raw value: written without making a String of it.
public struct TimelineSpelling: ExpressibleByStringLiteral, Equatable, Sendable {
    public let text: StaticString

    @inlinable public init(stringLiteral text: StaticString) { self.text = text }

    public static func == (a: Self, b: Self) -> Bool { a.text.description == b.text.description }
}
