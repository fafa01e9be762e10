import Glibc

/// Where a snapshot looks in /sys and /proc for what the kernel's iterators do not find by themselves.
enum RootScan {
    /// The directories of the PCI devices that a driver of VFIO has, opened: by them a BPF program gets from a name to the kernel's device.
    static func openVFIODevices() -> [Int32] {
        let folder = "/sys/bus/pci/devices"
        var descriptors: [Int32] = []
        for name in Files.names(in: folder) {
            guard let driver = Files.linkName("\(folder)/\(name)/driver"), isOfVFIO(driver) else { continue }
            let descriptor = open("\(folder)/\(name)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            if descriptor >= 0 { descriptors.append(descriptor) }
        }
        return descriptors
    }

    /// vfio-pci and its variants: mlx5_vfio_pci, hisi-acc-vfio-pci and others.
    static func isOfVFIO(_ driver: String) -> Bool { driver.split(whereSeparator: { $0 == "-" || $0 == "_" }).contains("vfio") }

    /// Calls `body` with each process that has a VFIO device mapped, and the address, from /proc/PID/maps.
    static func forEachDeviceMapping(_ body: (_ process: UInt64, _ address: UInt64) -> Void) {
        for name in Files.names(in: "/proc") {
            guard let process = UInt64(name), let maps = Files.text("/proc/\(name)/maps") else { continue }
            for line in maps.split(separator: "\n") {
                if let address = deviceAddress(inMapsLine: line) { body(process, address) }
            }
        }
    }

    /// The first address of a line like `7f0000000000-7f0000001000 rw-s 00000000 00:0d 1024   anon_inode:[vfio-device]`.
    static func deviceAddress(inMapsLine line: Substring) -> UInt64? {
        guard line.hasSuffix("anon_inode:[vfio-device]"), let dash = line.firstIndex(of: "-") else { return nil }
        return UInt64(line[..<dash], radix: 16)
    }
}
