// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Kernel

/// Finding the MSI-X table in bytes of config space.
@Suite("MSI-X tables in config space")
struct MSIXTableTests {
    /// An endpoint with a power management capability at 0x40 and MSI-X at 0x70.
    private func config(control: UInt16 = 4, table: UInt32 = 0x0800 | 3) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 256)
        bytes[6] = 0x10
        bytes[0x34] = 0x40
        bytes[0x40] = 0x01
        bytes[0x41] = 0x70
        bytes[0x70] = 0x11
        bytes[0x72] = UInt8(control & 0xff)
        bytes[0x73] = UInt8(control >> 8)
        for index in 0..<4 { bytes[0x74 + index] = UInt8(truncatingIfNeeded: table >> (8 * UInt32(index))) }
        return bytes
    }

    @Test func barOffsetAndSize() {
        #expect(PCIScan.msixTable(config()) == MSIXTable(bar: 3, offset: 0x800, size: 80))
        // The bits Enable and Function Mask do not belong to the size.
        #expect(PCIScan.msixTable(config(control: 0xc7ff, table: 0)) == MSIXTable(bar: 0, offset: 0, size: 0x8000))
    }

    @Test func whatHasNone() {
        var none = config()
        none[0x41] = 0
        #expect(PCIScan.msixTable(none) == nil)
        var noList = config()
        noList[6] = 0
        #expect(PCIScan.msixTable(noList) == nil)
        var bridge = config()
        bridge[0x0e] = 0x81
        #expect(PCIScan.msixTable(bridge) == nil)
        #expect(PCIScan.msixTable(config(table: 6)) == nil)
        #expect(PCIScan.msixTable(Array(config().prefix(64))) == nil)
    }

    @Test func aListThatGoesInCirclesEnds() {
        var circle = config()
        circle[0x70] = 0x05
        circle[0x71] = 0x40
        #expect(PCIScan.msixTable(circle) == nil)
    }
}
