/// Every key and every fixed value of the timeline that the reader knows; the raw value is its spelling.
///
/// A case's position serves as an index: `ordinal`.
enum TimelineWord: String, CaseIterable {
    // Of every line.
    case type, t, time, pid, tid, start, comm, uid, cgroup, action
    // Of some lines.
    case container, group, device, provenance, result, error, driver, bar, size, bars, vaddr, vendor, iova, read, write, ram, targets, began, cause
    case flags, by, state, exe, vm, lost, since, until, address
    case vmUUID = "vm_uuid"
    case command
    case cgroupPath = "cgroup_path"
    case memlockLimit = "memlock_limit"
    case ipcLock = "ipc_lock"
    case iommuType = "iommu_type"
    case openCount = "open_count"
    case barOffset = "bar_offset"
    case deviceID = "device_id"
    case classCode = "class"
    case memoryEnabled = "memory_enabled"
    case moreTargets = "more_targets"
    case vaddrOnly = "vaddr_only"
    case wholeBus = "whole_bus"
    case absorbs, replaces, linked, mappings, unsettled, requested, backing
    case memoryGone = "mm_gone"
    case backingDevice = "backing_device"
    case backingInode = "backing_inode"
    case backingOffset = "backing_offset"
    case byMapping = "by_mapping"
    case msixBar = "msix_bar"
    case msixOffset = "msix_offset"
    case msixSize = "msix_size"
    // Of the header and the summary.
    case schema, tool, kernel, machine, hooks, devices, name, function, how, attempted, delivered, defects
    case bootID = "boot_id"
    case clockOffset = "clock_offset"
    case mappingLimit = "dma_entry_limit"
    case remapsInterrupts = "irq_remapping"
    case allowsUnsafeInterrupts = "unsafe_irqs"
    // Types that are not keys as well.
    case header, map, unmap, memory, process, gap, finding, summary
    // Of dma-bufs.
    case inode, ranges, revoked
    case dmaBufExport = "dma-buf-export"
    case dmaBufRevoke = "dma-buf-revoke"
    case dmaBufRestore = "dma-buf-restore"
    case dmaBufRelease = "dma-buf-release"
    // Actions that are not keys as well.
    case open, close, release, attach, detach, add, mmap, bind, unbind, remove, removed, enable, disable, power, info, exit, exec
    case present, held, assign
    case keptBar = "kept-bar"
    case letGo = "let-go"
    case setIOMMU = "set-iommu"
    case walkBegin = "walk-begin"
    case walkEnd = "walk-end"
    case snapshotBegin = "snapshot-begin"
    case snapshotEnd = "snapshot-end"
    case firstOpen = "first-open"
    case lastClose = "last-close"
    case resetBegin = "reset-begin"
    case resetEnd = "reset-end"
    // Other values.
    case request, teardown, resync, observed, snapshot, inferred, vfio, host, unknown, file, memfd, anonymous
    case failedMap = "failed-map"
    case d0 = "D0"
    case d1 = "D1"
    case d2 = "D2"
    case d3hot = "D3hot"
    case d3cold = "D3cold"

    /// Position among `allCases`: an enum without payload is laid out as its tag (a test holds it to that).
    @inline(__always)
    var ordinal: Int { Int(unsafeBitCast(self, to: UInt8.self)) }
}

/// Finds words by their bytes: an open hash table, a quarter full at most, of the words' bytes as two integers.
///
/// Invariants: 1024 entries; at least one is empty, so every search ends; a word is reached from its hash without an empty entry between.
final class TimelineWords {
    private struct Entry {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var word: TimelineWord?
    }

    private static let bits: UInt64 = 10
    private static let mask = 1 << Int(bits) - 1
    private let entries: UnsafeMutablePointer<Entry>

    init() {
        precondition(TimelineWord.allCases.count * 4 <= Self.mask + 1)
        entries = .allocate(capacity: Self.mask + 1)
        entries.initialize(repeating: Entry(), count: Self.mask + 1)
        for word in TimelineWord.allCases {
            let bytes = Array(word.rawValue.utf8)
            precondition(bytes.count <= 16)
            let (low, high) = bytes.withUnsafeBufferPointer { Self.integers($0.baseAddress!, $0.count, room: $0.count) }
            var index = Self.slot(low, high)
            while entries[index].word != nil { index = (index + 1) & Self.mask }
            entries[index] = Entry(low: low, high: high, word: word)
        }
    }

    deinit { entries.deallocate() }

    @inline(__always)
    private static func slot(_ low: UInt64, _ high: UInt64) -> Int {
        Int(truncatingIfNeeded: ((low ^ (high &* 0x9e37_79b9_7f4a_7c15)) &* 0xff51_afd7_ed55_8ccd) >> (64 &- bits))
    }

    /// The bytes as two little-endian integers, zeros behind the last. `length` is 1 … 16.
    @inline(__always)
    private static func integers(_ start: UnsafePointer<UInt8>, _ length: Int, room: Int) -> (UInt64, UInt64) {
        var low: UInt64 = 0
        var high: UInt64 = 0
        if room >= 16 {
            let raw = UnsafeRawPointer(start)
            low = UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self))
            if length < 8 {
                low &= ~(~0 &<< UInt64(truncatingIfNeeded: 8 &* length))
            } else if length > 8 {
                high = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                if length < 16 { high &= ~(~0 &<< UInt64(truncatingIfNeeded: 8 &* (length &- 8))) }
            }
        } else {
            for index in 0..<length {
                if index < 8 { low |= UInt64(start[index]) << (8 * index) } else { high |= UInt64(start[index]) << (8 * (index - 8)) }
            }
        }
        return (low, high)
    }

    /// The word of `length` bytes at `start`, nil for one that is not known. O(1).
    ///
    /// - Parameter room: bytes readable from `start` on, at least `length`.
    @inline(__always)
    func find(_ start: UnsafePointer<UInt8>, _ length: Int, room: Int) -> TimelineWord? {
        guard length > 0, length <= 16 else { return nil }
        let (low, high) = Self.integers(start, length, room: room)
        var index = Self.slot(low, high)
        while true {
            guard let word = entries[index].word else { return nil }
            if entries[index].low == low, entries[index].high == high { return word }
            index = (index &+ 1) & Self.mask
        }
    }
}
