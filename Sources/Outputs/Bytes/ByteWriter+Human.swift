// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Quantities as people read them.
extension ByteWriter {
    /// Appends `4 KiB`, `1 MiB`, `1.5 GiB`; exact where it is a whole number of the unit, else cut
    /// to one decimal.
    public mutating func append(size bytes: UInt64) {
        guard bytes >= 1 << 10 else {
            append(bytes)
            return append(" B")
        }
        var shift = (UInt64(63 - bytes.leadingZeroBitCount)) / 10 * 10
        // A whole number of KiB below 10 MiB stands exactly.
        if shift == 20, bytes & 0xfffff != 0, bytes & 0x3ff == 0, bytes < 10 << 20 { shift = 10 }
        append(bytes >> shift)
        let rest = bytes & (1 << shift - 1)
        if rest != 0 {
            append(".")
            append(((rest >> (shift - 10)) * 10) >> 10)
        }
        switch shift {
        case 10: append(" KiB")
        case 20: append(" MiB")
        case 30: append(" GiB")
        case 40: append(" TiB")
        case 50: append(" PiB")
        default: append(" EiB")
        }
    }

    /// Appends `70,123`.
    public mutating func append(grouped value: UInt64) {
        guard value >= 1000 else { return append(value) }
        append(grouped: value / 1000)
        append(",")
        append(value % 1000, digits: 3)
    }

    /// Appends `0x80000000-0x800fffff`, the last byte included; nothing behind the dash for an
    /// empty range.
    public mutating func append(iova: UInt64, size: UInt64) {
        append(hex: iova)
        append("-")
        if size > 0 { append(hex: iova &+ (size &- 1)) }
    }

    /// Appends `350 µs`, `12 ms`, `1.2 s`, `3 min 5 s`, `2 h 3 min`, `4 d 1 h`; the rest is cut
    /// off.
    public mutating func append(duration nanoseconds: UInt64) {
        func two(
            _ value: UInt64, _ unit: StaticString, _ rest: UInt64, _ restUnit: StaticString, _ out: inout ByteWriter
        ) {
            out.append(value)
            out.append(unit)
            guard rest > 0 else { return }
            out.append(" ")
            out.append(rest)
            out.append(restUnit)
        }
        let seconds = nanoseconds / 1_000_000_000
        switch nanoseconds {
        case ..<1_000_000:
            append(nanoseconds / 1000)
            append(" µs")
        case ..<1_000_000_000:
            append(nanoseconds / 1_000_000)
            append(" ms")
        case ..<60_000_000_000:
            append(seconds)
            let tenth = nanoseconds / 100_000_000 % 10
            if tenth > 0 {
                append(".")
                append(tenth)
            }
            append(" s")
        case ..<3_600_000_000_000: two(seconds / 60, " min", seconds % 60, " s", &self)
        case ..<86_400_000_000_000: two(seconds / 3600, " h", seconds / 60 % 60, " min", &self)
        default: two(seconds / 86_400, " d", seconds / 3600 % 24, " h", &self)
        }
    }

    /// Appends spaces until `width` columns follow `mark` (a former `count` of this line), counting
    /// UTF-8 characters as one column each.
    mutating func pad(from mark: Int, to width: Int) {
        var columns = 0
        for index in mark..<count where !isContinuation(base[index]) { columns += 1 }
        while columns < width {
            append(" ")
            columns += 1
        }
    }

    /// Removes spaces at the end.
    mutating func trimSpaces() {
        var end = count
        while end > 0, base[end - 1] == UInt8(ascii: " ") { end -= 1 }
        truncate(to: end)
    }

    /// Cuts what follows `mark` to `width` columns, the last an ellipsis if anything is lost.
    mutating func cut(from mark: Int, to width: Int) {
        var columns = 0
        var end = count
        for index in mark..<count where !isContinuation(base[index]) {
            if columns == width - 1 { end = index }
            columns += 1
        }
        guard columns > width else { return }
        truncate(to: end)
        append("…")
    }

    /// Appends `BAR0+0x1000`, `ROM+0x0`.
    mutating func append(bar: UInt8, offset: UInt64) {
        if bar == 6 {
            append("ROM")
        } else {
            append("BAR")
            append(UInt64(bar))
        }
        append("+")
        append(hex: offset)
    }

    /// Appends `0000:02:00.0 BAR0+0x0 1 MiB`, or `unknown device memory 4 KiB`.
    mutating func append(_ target: Target) {
        if let device = target.device {
            append(device)
            append(" ")
            append(bar: target.bar, offset: target.barOffset)
        } else {
            append("unknown device memory")
        }
        append(" ")
        append(size: target.size)
    }
}

/// Whether a byte of UTF-8 goes on with a character.
@inline(__always)
private func isContinuation(_ byte: UInt8) -> Bool { byte & 0xc0 == 0x80 }
