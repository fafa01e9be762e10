import Glibc

/// Where a snapshot looks in /sys and /proc for what the kernel's iterators do not find by
/// themselves.
enum RootScan {
    /// Fewer than the 1,024 descriptors that a process may have by default.
    private static let devicesAtOnce = 512

    /// Calls `body` while the directories of the PCI devices that a driver of VFIO has are open,
    /// some at a time, at least once: by them a BPF program gets from a name to the kernel's
    /// device.
    static func withVFIODevicesOpen(_ body: () -> Void) {
        let folder = "/sys/bus/pci/devices"
        var names = Files.names(in: folder).filter { Files.linkName("\(folder)/\($0)/driver").map(isOfVFIO) ?? false }
        repeat {
            let descriptors = names.prefix(devicesAtOnce).map {
                open("\(folder)/\($0)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            }
            body()
            for descriptor in descriptors where descriptor >= 0 { close(descriptor) }
            names.removeFirst(min(names.count, devicesAtOnce))
        } while !names.isEmpty
    }

    /// vfio-pci and its variants: mlx5_vfio_pci, hisi-acc-vfio-pci and others.
    static func isOfVFIO(_ driver: String) -> Bool {
        driver.split(whereSeparator: { $0 == "-" || $0 == "_" }).contains("vfio")
    }

    /// Calls `body` with each process that has a VFIO device mapped, and the address, from
    /// /proc/PID/maps.
    static func forEachDeviceMapping(_ body: (_ process: UInt64, _ address: UInt64) -> Void) {
        for name in Files.names(in: "/proc") {
            guard let process = UInt64(name), let maps = Files.text("/proc/\(name)/maps") else { continue }
            for line in maps.split(separator: "\n") {
                if let address = deviceAddress(inMapsLine: line) { body(process, address) }
            }
        }
    }

    /// The first address of a line like `7f0000000000-7f0000001000 rw-s 00000000 00:0d 1024
    /// anon_inode:[vfio-device]`.
    static func deviceAddress(inMapsLine line: Substring) -> UInt64? {
        guard line.hasSuffix("anon_inode:[vfio-device]"), let dash = line.firstIndex(of: "-") else { return nil }
        return UInt64(line[..<dash], radix: 16)
    }
}
