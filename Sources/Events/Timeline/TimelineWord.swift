/// Every key and every fixed value of the timeline that the reader knows; the raw value is its
/// spelling.
///
/// A case's position serves as an index: `ordinal`.
enum TimelineWord: String, CaseIterable {
    // Of every line.
    case type, t, time, pid, tid, start, comm, uid, cgroup, action
    // Of some lines.
    case container, group, device, provenance, result, error, driver, bar, size, bars, vaddr, vendor, iova, read, write,
        ram, targets, began, cause
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
    case open, close, release, attach, detach, add, mmap, bind, unbind, remove, removed, enable, disable, power, info,
        exit, exec
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

    /// Position among `allCases`: an enum without payload is laid out as its tag (a test holds it
    /// to that).
    @inline(__always)
    var ordinal: Int { Int(unsafeBitCast(self, to: UInt8.self)) }
}

/// Finds words by their bytes: an open hash table, a quarter full at most, of the words' bytes as
/// two integers.
///
/// Invariants: 1024 entries; at least one is empty, so every search ends; a word is reached from
/// its hash without an empty entry between.
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
            let length = word.rawValue.utf8.count
            precondition(length <= 16)
            let bytes = Array(word.rawValue.utf8) + Array(repeating: 0, count: 16)
            let (low, high) = bytes.withUnsafeBufferPointer { firstBytes($0.baseAddress!, length) }
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

    /// The word of `length` bytes at `start`, nil for one that is not known. O(1).
    ///
    /// - Precondition: 16 bytes are readable at `start`.
    @inline(__always)
    func find(_ start: UnsafePointer<UInt8>, _ length: Int) -> TimelineWord? {
        guard length > 0, length <= 16 else { return nil }
        let (low, high) = firstBytes(start, length)
        return find(low, high)
    }

    /// The word that a quote ends, and its length; nil for one that is not known. O(1).
    ///
    /// - Precondition: 16 bytes are readable at `start`.
    @inline(__always)
    func findQuoted(_ start: UnsafePointer<UInt8>) -> (word: TimelineWord, length: Int)? {
        let raw = UnsafeRawPointer(start)
        let low = UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self))
        let quote = Self.quote(low)
        if quote != 0 {
            guard let word = find(low & Self.below(quote), 0) else { return nil }
            return (word, quote.trailingZeroBitCount / 8)
        }
        let high = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        let second = Self.quote(high)
        guard second != 0, let word = find(low, high & Self.below(second)) else { return nil }
        return (word, 8 &+ second.trailingZeroBitCount / 8)
    }

    @inline(__always)
    private func find(_ low: UInt64, _ high: UInt64) -> TimelineWord? {
        var index = Self.slot(low, high)
        while true {
            guard let word = entries[index].word else { return nil }
            if entries[index].low == low, entries[index].high == high { return word }
            index = (index &+ 1) & Self.mask
        }
    }

    /// The top bit of the first quote among eight bytes; bits above that one are not to be relied
    /// on.
    @inline(__always)
    private static func quote(_ word: UInt64) -> UInt64 {
        let differences = word ^ 0x2222_2222_2222_2222
        return (differences &- 0x0101_0101_0101_0101) & ~differences & 0x8080_8080_8080_8080
    }

    /// All bits of the bytes below the one that `quote` found.
    @inline(__always)
    private static func below(_ quote: UInt64) -> UInt64 { ((quote & (0 &- quote)) >> 7) &- 1 }
}
