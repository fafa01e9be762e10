// SPDX-License-Identifier: Apache-2.0
import Events

/// Finds the BAR in which a physical address lies: a sorted array of the BARs of all known devices
/// that have not been removed.
///
/// BARs are powers of two, naturally aligned, and do not overlap (PCI Local Bus 3.0, 6.2.5.1): one
/// binary search finds the only candidate.
struct BarTable: Sendable {
    struct Row: Sendable {
        var address: UInt64
        /// Inclusive.
        var last: UInt64
        var device: PCIAddress
        var bar: UInt8
    }

    private var rows: [Row] = []

    init() {}

    /// O(*n* log *n*) in the number of devices.
    init(_ devices: some Sequence<Device>) {
        for device in devices where !device.isRemoved {
            for index in 0..<7 {
                let bar = device.info.bars[index]
                // A BAR at address 0 was never assigned.
                guard bar.size > 0, bar.address > 0, bar.last >= bar.address else { continue }
                rows.append(Row(address: bar.address, last: bar.last, device: device.address, bar: UInt8(index)))
            }
        }
        rows.sort { ($0.address, $0.device) < ($1.address, $1.device) }
        for index in rows.indices {
            rows[index].last = Self.lastOfPage(
                rows[index], before: index + 1 < rows.count ? rows[index + 1].address : nil)
        }
    }

    /// A BAR smaller than a page can be mapped as a whole page; VFIO then reserves the rest of the
    /// page (vfio_pci_probe_mmaps, 5.10 to 7.3). So the rest counts as the BAR's, up to the next
    /// BAR.
    private static func lastOfPage(_ row: Row, before next: UInt64?) -> UInt64 {
        guard row.address & 0xfff == 0, row.last - row.address < 0xfff else { return row.last }
        let last = row.address | 0xfff
        guard let next, next <= last else { return last }
        return next > row.last ? next - 1 : row.last
    }

    /// Appends the pieces of `size` bytes from `address`, in order. Parts outside all BARs have no
    /// device. A piece that continues the previous one is joined to it. O(log *n* + pieces).
    func resolve(address: UInt64, size: UInt64, iova: UInt64, into targets: inout Few<Target>) {
        guard size > 0 else { return }
        let room = UInt64.max - address
        let last = address + min(size - 1, room)
        var begin = address
        var index = firstRow(endingAtOrAfter: address)
        while true {
            var pieceLast = last
            var row: Row?
            if index < rows.count, rows[index].address <= last {
                if rows[index].address <= begin {
                    row = rows[index]
                    pieceLast = min(last, rows[index].last)
                } else {
                    pieceLast = rows[index].address - 1
                }
            }
            Self.append(
                Target(
                    device: row?.device, bar: row?.bar ?? 0, barOffset: row.map { begin - $0.address } ?? 0,
                    iova: iova &+ (begin - address), size: pieceLast - begin + 1), to: &targets)
            if pieceLast == last { return }
            begin = pieceLast + 1
            while index < rows.count, rows[index].last < begin { index += 1 }
        }
    }

    /// Binary search by address, then one step: rows do not overlap.
    private func firstRow(endingAtOrAfter address: UInt64) -> Int {
        var low = 0, high = rows.count
        while low < high {
            let middle = (low + high) >> 1
            if rows[middle].last < address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    static func append(_ target: Target, to targets: inout Few<Target>) {
        if let previous = targets.last, previous.device == target.device, previous.bar == target.bar,
            previous.iova &+ previous.size == target.iova,
            target.device == nil || previous.barOffset &+ previous.size == target.barOffset
        {
            targets[targets.count - 1].size += target.size
        } else {
            targets.append(target)
        }
    }
}
