// SPDX-License-Identifier: Apache-2.0
/// Finds out whether the host remaps interrupts; if not, a device can raise interrupts that are not
/// its own.
enum InterruptScan {
    /// The parameter of vfio_iommu_type1 with which groups can be attached even without remapping;
    /// nil where the module is not loaded.
    static var allowsUnsafe: Bool? {
        Files.text("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts").map { $0 == "Y" }
    }

    /// Whether the host remaps interrupts; nil where /proc/interrupts does not show it, as on
    /// machines that are not x86.
    static func remaps() -> Bool? { Files.text("/proc/interrupts").flatMap { remaps(interrupts: $0) } }

    /// Decides by the names of interrupt chips. With remapping they begin with `IR-` (`IR-IO-APIC`,
    /// `IR-PCI-MSI-0000:00:02.0`), without they are `IO-APIC` and `PCI-MSI` (x86, 5.10 to 7.3).
    /// Remapping is on for the whole machine or not at all (irq_remapping_enabled).
    static func remaps(interrupts: String) -> Bool? {
        var isNotRemapped = false
        for line in interrupts.split(separator: "\n") {
            for word in line.split(separator: " ") {
                if word.hasPrefix("IR-") || word.hasPrefix("HYPERV-IR") { return true }
                if word == "IO-APIC" || word.hasPrefix("PCI-MSI") { isNotRemapped = true }
            }
        }
        return isNotRemapped ? false : nil
    }
}
