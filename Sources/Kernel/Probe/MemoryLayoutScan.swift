// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Finds out where the kernel maps physical memory, and the device number of VFIO's groups: what a
/// snapshot needs from /proc and /sys.
enum MemoryLayoutScan {
    /// Whether the host's IOMMU is VT-d, whose tables the tool can read.
    static var hasVTd: Bool { Files.names(in: "/sys/class/iommu").contains { $0.hasPrefix("dmar") } }

    /// How many levels the page table of a process has on x86-64; 0 when unknown. It follows from
    /// the beginning of the direct map: 0xff11000000000000 with five levels, 0xffff888000000000
    /// with four, or up to some TiB above with KASLR (Documentation/arch/x86/x86_64/mm.rst).
    static func pageTableLevels(directMap: UInt64) -> Int32 {
        directMap == 0 ? 0 : directMap < 0xffff_8000_0000_0000 ? 5 : 4
    }

    /// The address at which the kernel maps physical address 0, from the program headers of
    /// /proc/kcore (an ELF file); 0 when they do not show it.
    static func directMap() -> UInt64 {
        let descriptor = open("/proc/kcore", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 64 else { return 0 }
        return bytes.withUnsafeBytes { raw in
            let first = Int(raw.loadUnaligned(fromByteOffset: 32, as: UInt64.self))
            let entries = Int(raw.loadUnaligned(fromByteOffset: 56, as: UInt16.self))
            for index in 0..<entries {
                let at = first + index * 56
                guard at + 56 <= count, raw.loadUnaligned(fromByteOffset: at, as: UInt32.self) == 1 /* PT_LOAD */ else {
                    continue
                }
                let virtual = raw.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self)
                let physical = raw.loadUnaligned(fromByteOffset: at + 24, as: UInt64.self)
                // Only the direct map and the kernel's text have a physical address. The text lies
                // in the last GiBs, and the direct map is aligned to 1 GiB.
                let base = virtual &- physical
                if physical != .max, virtual >> 63 == 1, virtual < 0xffff_ff00_0000_0000, base & 0x3fff_ffff == 0 {
                    return base
                }
            }
            return 0
        }
    }

    /// The major number of a driver's nodes in /proc/devices; 0 when it has none. VFIO's groups are
    /// `vfio`, devices' own nodes `vfio-dev`.
    static func major(of driver: String) -> UInt32 {
        for line in (Files.text("/proc/devices") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count == 2, fields[1] == driver, let major = UInt32(fields[0]) { return major }
        }
        return 0
    }
}
