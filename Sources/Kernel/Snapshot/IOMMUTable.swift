// SPDX-License-Identifier: Apache-2.0
/// Translates IOVAs with an IOMMU's page table in memory, the one that the hardware itself uses.
///
/// The format is VT-d's, second level and first level alike: up to five levels of 512 entries of 8
/// bytes; bit 0 or 1 means present, bit 7 a large page, and bits 12–51 are the physical address.
/// This value does not access the kernel: its caller reads the pages.
struct IOMMUTable {
    /// A physically contiguous run.
    struct Run: Equatable {
        var iova: UInt64
        /// Physical address.
        var address: UInt64
        /// Bytes.
        var size: UInt64
    }

    private let root: UInt64
    private let levels: Int
    /// Where the kernel maps physical address 0.
    private let linearMap: UInt64
    /// Which 2 MiB of IOVA space (IOVA >> 21) `pages[0]` covers; nil when it holds no page.
    private var leaf: UInt64?
    /// A cache: the pages on the way down to the last entry, by level - 1, with their addresses.
    /// Neighbouring IOVAs share them.
    private var pages: [(address: UInt64, entries: [UInt64])]

    /// The most entries read for one mapping. 1 GiB in 4 KiB pages takes 2¹⁸.
    static let entryBudget = 1 << 24

    init(root: UInt64, levels: Int, linearMap: UInt64) {
        self.root = root
        self.levels = levels
        self.linearMap = linearMap
        pages = [(UInt64, [UInt64])](repeating: (0, [UInt64](repeating: 0, count: 512)), count: 5)
    }

    /// The runs from `iova` to `last` inclusive whose physical addresses lie in one of `windows`
    /// (last byte inclusive), and whether these are all: a part of the table may be unreadable.
    /// O(entries).
    ///
    /// - Parameter read: copies the page of 512 entries at a kernel address; false when it cannot.
    mutating func runs(
        from iova: UInt64, last: UInt64, within windows: [(first: UInt64, last: UInt64)],
        read: (UInt64, inout [UInt64]) -> Bool
    ) -> (found: [Run], areAll: Bool) {
        guard root != 0, (1...5).contains(levels) else { return ([], false) }
        var runs: [Run] = []
        var at = iova
        for _ in 0..<Self.entryBudget {
            guard let (entry, size) = entry(at, read) else { return (runs, false) }
            let offset = at & (size - 1)
            let length = min(size - offset, last &- at &+ 1)
            if entry & 3 != 0 {
                let address = entry & 0x000f_ffff_ffff_f000 & ~(size - 1) + offset
                // A large page can extend beyond a window.
                for window in windows where window.first <= address + (length - 1) && address <= window.last {
                    let first = max(address, window.first), end = min(address + (length - 1), window.last)
                    let iova = at + (first - address), size = end - first + 1
                    if let last = runs.last, last.address + last.size == first, last.iova + last.size == iova {
                        runs[runs.count - 1].size += size
                    } else {
                        runs.append(Run(iova: iova, address: first, size: size))
                    }
                }
            }
            let next = (at | (size - 1)) &+ 1
            if next == 0 || next > last { return (runs, true) }
            at = next
        }
        return (runs, false)
    }

    /// The entry that translates `iova`, or shows that nothing is mapped there, and how many bytes
    /// it covers; nil when a page cannot be read.
    private mutating func entry(_ iova: UInt64, _ read: (UInt64, inout [UInt64]) -> Bool) -> (UInt64, UInt64)? {
        if iova >> 21 == leaf { return (pages[0].entries[Int(iova >> 12 & 511)], 4096) }
        var address = root
        for level in stride(from: levels, through: 1, by: -1) {
            if pages[level - 1].address != address {
                // If the read fails, `pages[0]` holds no page.
                if level == 1 { leaf = nil }
                guard read(address, &pages[level - 1].entries) else { return nil }
                pages[level - 1].address = address
            }
            let shift = UInt64(12 + 9 * (level - 1))
            let entry = pages[level - 1].entries[Int(iova >> shift & 511)]
            if level == 1 { leaf = iova >> 21 }
            if level == 1 || entry & 3 == 0 || entry & 0x80 != 0 { return (entry, 1 << shift) }
            address = linearMap &+ (entry & 0x000f_ffff_ffff_f000)
        }
        return nil
    }
}
