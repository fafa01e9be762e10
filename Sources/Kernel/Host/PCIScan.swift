// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CRecords
import Events
import Glibc

/// Scans the host's PCI devices in /sys, and its host bridges in /proc/iomem.
enum PCIScan {
    private static let root = "/sys/bus/pci/devices"

    /// Calls `body` with a VS_DEVICE_INFO record for each PCI device; the pointer is valid during
    /// the call.
    static func forEachDevice(time: UInt64, _ body: (UnsafeRawPointer, Int) -> Void) {
        for name in Files.names(in: root) {
            guard let address = PCIAddress(name) else { continue }
            var record = vs_driver()
            record.h.type = UInt16(VS_DEVICE_INFO.rawValue)
            record.h.size = UInt16(MemoryLayout<vs_driver>.size)
            record.h.time = time
            record.pci = address.packed
            record.number = Files.linkName("\(root)/\(name)/iommu_group").flatMap { UInt32($0) } ?? 0xffff_ffff
            record.vendor = UInt16(truncatingIfNeeded: hex("\(root)/\(name)/vendor"))
            record.device = UInt16(truncatingIfNeeded: hex("\(root)/\(name)/device"))
            record.class_code = UInt32(truncatingIfNeeded: hex("\(root)/\(name)/class"))
            withUnsafeMutableBytes(of: &record.driver) {
                copy(Files.linkName("\(root)/\(name)/driver") ?? "", into: $0)
            }
            let bars = bars(of: name)
            withUnsafeMutableBytes(of: &record.bars) { raw in
                let slots = raw.bindMemory(to: vs_bar.self)
                for (index, bar) in bars.enumerated() { slots[index] = vs_bar(address: bar.address, size: bar.size) }
            }
            addMSIXTable(of: address, to: &record)
            withUnsafeBytes(of: &record) { body($0.baseAddress!, $0.count) }
        }
    }

    /// Calls `body` with a copy of a VS_DEVICE_INFO record from the kernel, completed by the MSI-X
    /// table, which is only in config space.
    static func completed(_ record: UnsafeRawPointer, _ body: (UnsafeRawPointer, Int) -> Void) {
        var copy = record.load(as: vs_driver.self)
        addMSIXTable(of: PCIAddress(packed: copy.pci), to: &copy)
        withUnsafeBytes(of: &copy) { body($0.baseAddress!, $0.count) }
    }

    private static func addMSIXTable(of address: PCIAddress, to record: inout vs_driver) {
        guard let table = (Files.read("\(root)/\(address)/config", limit: 256)).flatMap(msixTable) else { return }
        record.msix_bar = UInt32(table.bar)
        record.msix_offset = table.offset
        record.msix_bytes = table.size
    }

    /// The place of the MSI-X table, as the MSI-X capability in the first 256 bytes of config space
    /// describes it (PCI Local Bus 3.0, 6.8.2); nil when the device has none. The names are those
    /// of linux/pci_regs.h.
    static func msixTable(_ config: [UInt8]) -> MSIXTable? {
        func at(_ offset: Int32) -> UInt32 { UInt32(config[Int(offset)]) }
        guard config.count >= 256, at(PCI_STATUS) & UInt32(PCI_STATUS_CAP_LIST) != 0,
            at(PCI_HEADER_TYPE) & 0x7f == PCI_HEADER_TYPE_NORMAL
        else { return nil }
        // The two low bits of a pointer are reserved. 48 capabilities fill the space: more are a
        // circle.
        var capability = Int32(at(PCI_CAPABILITY_LIST) & 0xfc)
        for _ in 0..<48 where capability >= PCI_STD_HEADER_SIZEOF {
            guard at(capability) != PCI_CAP_ID_MSIX else {
                let flags = capability + PCI_MSIX_FLAGS, field = capability + PCI_MSIX_TABLE
                let control = at(flags) | at(flags + 1) << 8
                let table = (0..<4).reduce(UInt32(0)) { $0 | at(field + $1) << (8 * UInt32($1)) }
                let bar = table & UInt32(PCI_MSIX_TABLE_BIR)
                guard bar < 6 else { return nil }
                return MSIXTable(
                    bar: UInt8(bar), offset: table & ~UInt32(PCI_MSIX_TABLE_BIR),
                    size: ((control & UInt32(PCI_MSIX_FLAGS_QSIZE)) + 1) * UInt32(PCI_MSIX_ENTRY_SIZE))
            }
            capability = Int32(at(capability + PCI_CAP_LIST_NEXT) & 0xfc)
        }
        return nil
    }

    /// BARs 0–5 and the ROM, as far as they are memory: no mapping can lead to I/O ports.
    private static func bars(of name: String) -> [Bar] {
        var bars = [Bar](repeating: Bar(), count: Int(VS_BARS))
        let lines = (Files.text("\(root)/\(name)/resource") ?? "").split(separator: "\n")
        for (index, line) in lines.prefix(Int(VS_BARS)).enumerated() {
            let fields = line.split(separator: " ").map { UInt64($0.dropFirst(2), radix: 16) ?? 0 }
            guard fields.count == 3, fields[2] & 0x200 /* IORESOURCE_MEM */ != 0, fields[0] != 0, fields[1] > fields[0]
            else { continue }
            bars[index] = Bar(address: fields[0], size: fields[1] - fields[0] + 1)
        }
        return bars
    }

    private static func hex(_ path: String) -> UInt64 {
        UInt64((Files.text(path) ?? "").dropFirst(2), radix: 16) ?? 0
    }

    /// Copies as much of `text` as fits, leaving at least one zero at the end.
    static func copy(_ text: String, into buffer: UnsafeMutableRawBufferPointer) {
        for (index, byte) in text.utf8.prefix(buffer.count - 1).enumerated() { buffer[index] = byte }
    }

    /// The physical ranges that the host bridges decode, last byte inclusive: the "PCI Bus" lines
    /// of /proc/iomem.
    ///
    /// RAM never lies in such a window, so a pinned page outside of all windows is not device
    /// memory. Empty when /proc/iomem hides its addresses (without root).
    static func windows() -> [(first: UInt64, last: UInt64)] {
        var windows: [(first: UInt64, last: UInt64)] = []
        for line in (Files.text("/proc/iomem") ?? "").split(separator: "\n") where line.contains("PCI Bus ") {
            let trimmed = line.drop { $0 == " " }
            guard let dash = trimmed.firstIndex(of: "-"), let space = trimmed.firstIndex(of: " "), dash < space,
                let first = UInt64(trimmed[..<dash], radix: 16),
                let last = UInt64(trimmed[trimmed.index(after: dash)..<space], radix: 16),
                last > first, !windows.contains(where: { $0.first <= first && last <= $0.last })
            else { continue }
            windows.append((first, last))
        }
        return windows
    }
}
