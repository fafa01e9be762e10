import CRecords
import Events
import Glibc

/// The host's PCI devices and bridges, from /sys and /proc/iomem.
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

    /// A record that the kernel made, with what only config space says.
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

    /// The table that the MSI-X capability (id 0x11) tells of, from the first 256 bytes of config
    /// space (PCI Local Bus 3.0, 6.8.2).
    static func msixTable(_ config: [UInt8]) -> MSIXTable? {
        guard config.count >= 256, config[6] & 0x10 /* STATUS: capabilities */ != 0,
            config[0x0e] & 0x7f == 0 /* an endpoint */
        else { return nil }
        var at = Int(config[0x34] & 0xfc)
        for _ in 0..<48 where at >= 0x40 {
            guard config[at] != 0x11 else {
                let control = UInt32(config[at + 2]) | UInt32(config[at + 3]) << 8
                let table = (0..<4).reduce(UInt32(0)) { $0 | UInt32(config[at + 4 + $1]) << (8 * UInt32($1)) }
                guard table & 7 < 6 else { return nil }
                return MSIXTable(bar: UInt8(table & 7), offset: table & ~7, size: ((control & 0x7ff) + 1) * 16)
            }
            at = Int(config[at + 1] & 0xfc)
        }
        return nil
    }

    /// BAR 0–5 and the ROM: memory only, I/O ports are nothing that a mapping can lead to.
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

    static func copy(_ text: String, into buffer: UnsafeMutableRawBufferPointer) {
        for (index, byte) in text.utf8.prefix(buffer.count - 1).enumerated() { buffer[index] = byte }
    }

    /// Physical ranges, last byte included, that the host bridges decode: "PCI Bus" and "PCI
    /// MMCONFIG"-free lines of /proc/iomem.
    ///
    /// RAM never lies in one, so a pinned page outside needs no second look. Empty when /proc/iomem
    /// hides its addresses (no root).
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
