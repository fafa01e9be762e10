import Glibc

/// Where the kernel maps physical memory and which numbers its devices have: what a snapshot needs from /proc.
enum MemoryLayoutScan {
    /// The address at which the kernel maps physical address 0, from the program headers of /proc/kcore; 0 when it does not say, or when the IOMMU is not VT-d.
    static func linearMap() -> UInt64 {
        guard Files.names(in: "/sys/class/iommu").contains(where: { $0.hasPrefix("dmar") }) else { return 0 }
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
                guard at + 56 <= count, raw.loadUnaligned(fromByteOffset: at, as: UInt32.self) == 1 /* PT_LOAD */ else { continue }
                let virtual = raw.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self)
                let physical = raw.loadUnaligned(fromByteOffset: at + 24, as: UInt64.self)
                // Only the direct map and kernel text have a physical address; text is in the last GiBs, and the direct map is aligned to 1 GiB.
                let base = virtual &- physical
                if physical != .max, virtual >> 63 == 1, virtual < 0xffff_ff00_0000_0000, base & 0x3fff_ffff == 0 { return base }
            }
            return 0
        }
    }

    /// The major number that /proc/devices gives to `vfio`; 0 when it has none.
    static func groupMajor() -> UInt32 {
        for line in (Files.text("/proc/devices") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count == 2, fields[1] == "vfio", let major = UInt32(fields[0]) { return major }
        }
        return 0
    }
}
