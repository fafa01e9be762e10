// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Kernel

/// Recognising interrupt remapping by lines of /proc/interrupts.
@Suite("Interrupt remapping")
struct InterruptScanTests {
    @Test func namesOfChips() {
        let head = "            CPU0       CPU1\n"
        #expect(
            InterruptScan.remaps(interrupts: head + "   0:         23          0  IR-IO-APIC    2-edge      timer\n")
                == true)
        #expect(
            InterruptScan.remaps(
                interrupts: head
                    + "  24:          0          0  DMAR-MSI    0-edge      dmar0\n  25:  0  9  "
                    + "IR-PCI-MSIX-0000:00:06.0    0-edge      x\n"
            ) == true)
        #expect(
            InterruptScan.remaps(interrupts: head + "   4:          0          3   IO-APIC    4-edge      ttyS0\n")
                == false)
        #expect(
            InterruptScan.remaps(
                interrupts: head + "  24:          0          3   PCI-MSI-0000:00:06.0    0-edge      virtio0\n")
                == false)
        // arm64
        #expect(
            InterruptScan.remaps(interrupts: head + "  11:       1234       1200     GICv3  27 Level     arch_timer\n")
                == nil)
        #expect(InterruptScan.remaps(interrupts: "") == nil)
    }
}
