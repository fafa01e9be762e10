// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Kernel

/// The lines are spelled as Linux 5.10 writes them.
@Suite("Addresses of the kernel's functions")
struct KernelSymbolsTests {
    private func addresses(_ wanted: Set<String>, _ text: String) -> [String: UInt64] {
        KernelSymbols.addresses(of: wanted, in: Array(text.utf8))
    }

    @Test func functionsOfTheKernelAndOfModules() {
        let text = """
            ffffffff81000000 T startup_64
            ffffffff815d2f40 t pci_reset_bus
            ffffffffc0a41230 t vfio_pci_mmap\t[vfio_pci]
            ffffffffc0a45000 b vfio_pci_mmap_count\t[vfio_pci]

            """
        #expect(
            addresses(["pci_reset_bus", "vfio_pci_mmap", "vfio_pci_mmap_count"], text)
                == ["pci_reset_bus": 0xffff_ffff_815d_2f40, "vfio_pci_mmap": 0xffff_ffff_c0a4_1230])
    }

    @Test func theFirstOfOneName() {
        let text =
            "ffffffff81000010 t open\nffffffff81000020 t open\nffffffff81000030 t open_more\nffffffff81000040 D open\n"
        #expect(addresses(["open"], text) == ["open": 0xffff_ffff_8100_0010])
    }

    /// The kernel hides addresses with kptr_restrict=2, and from processes without privileges.
    @Test func hiddenAddressesAreZero() {
        #expect(addresses(["vfio_pci_mmap"], "0000000000000000 t vfio_pci_mmap\t[vfio_pci]\n") == ["vfio_pci_mmap": 0])
    }

    @Test func whatIsNoSymbolIsPassedOver() {
        for text in [
            "", "\n", "\n\n\n", "x", "ffffffff81000010 t ", "ffffffff81000010 t\nffffffff81000020 t a",
            "0123456789abcdef0123456789",
        ] {
            #expect(addresses(["b"], text) == [:])
        }
        #expect(addresses(["a"], "ffffffff81000010 t\nffffffff81000020 t a") == ["a": 0xffff_ffff_8100_0020])
    }
}
