// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Searches /sys and /proc for the roots of a snapshot that the BPF iterators do not find by
/// themselves.
enum RootScan {
    /// Must stay below the 1,024 descriptors that a process may have by default.
    private static let devicesAtOnce = 512

    /// Opens the sysfs directories of all PCI devices bound to one of VFIO's drivers,
    /// `devicesAtOnce` at a time, and calls `body` while they are open; at least once, even without
    /// devices. Through an open directory a BPF program reaches the kernel's device.
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

    /// Whether `driver` is vfio-pci or one of its variants: mlx5_vfio_pci, hisi-acc-vfio-pci, ….
    static func isOfVFIO(_ driver: String) -> Bool {
        driver.split(whereSeparator: { $0 == "-" || $0 == "_" }).contains("vfio")
    }

    /// Calls `body` with the process and the first address of every mapping of a VFIO device, from
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
    /// anon_inode:[vfio-device]`; nil if the line is about another file.
    static func deviceAddress(inMapsLine line: Substring) -> UInt64? {
        guard line.hasSuffix("anon_inode:[vfio-device]"), let dash = line.firstIndex(of: "-") else { return nil }
        return UInt64(line[..<dash], radix: 16)
    }
}
