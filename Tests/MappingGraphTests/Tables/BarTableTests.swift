// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import MappingGraph

/// Tests in which BARs physical addresses lie.
@Suite struct BarTableTests {
    @Test func anExtentCanSpanBarsAndGaps() {
        var graph = Graph()
        graph.apply(1, .deviceInfo(info(gpu, group: 1, bar: 0x1000_0000, size: 0x1000)))
        graph.apply(1, .deviceInfo(info(nic, group: 2, bar: 0x1000_2000, size: 0x1000)))
        #expect(
            graph.resolve(address: 0x0fff_f000, size: 0x5000) == [
                Target(device: nil, bar: 0, barOffset: 0, iova: 0, size: 0x1000),
                Target(device: gpu, bar: 0, barOffset: 0, iova: 0x1000, size: 0x1000),
                Target(device: nil, bar: 0, barOffset: 0, iova: 0x2000, size: 0x1000),
                Target(device: nic, bar: 0, barOffset: 0, iova: 0x3000, size: 0x1000),
                Target(device: nil, bar: 0, barOffset: 0, iova: 0x4000, size: 0x1000),
            ])
        #expect(
            graph.resolve(address: 0x1000_0800, size: 0x400) == [
                Target(device: gpu, bar: 0, barOffset: 0x800, iova: 0, size: 0x400)
            ])
        #expect(graph.resolve(address: 0x1000_0fff, size: 2).map(\.device) == [gpu, nil])
    }

    /// QEMU maps the whole page of a BAR that is smaller than a page.
    @Test func aBarSmallerThanAPage() {
        var graph = Graph()
        graph.apply(1, .deviceInfo(info(gpu, group: 1, bar: 0x1000_0000, size: 0x100)))
        #expect(
            graph.resolve(address: 0x1000_0000, size: 0x1000) == [
                Target(device: gpu, bar: 0, barOffset: 0, iova: 0, size: 0x1000)
            ])
        #expect(graph.resolve(address: 0x1000_0000, size: 0x1001).map(\.device) == [gpu, nil])
        // A BAR that is not at the beginning of its page cannot be mapped. Another BAR in the page
        // keeps its part.
        graph.apply(2, .deviceInfo(info(nic, group: 2, bar: 0x1000_0800, size: 0x100)))
        #expect(graph.resolve(address: 0x1000_0000, size: 0x1000).map(\.size) == [0x800, 0x100, 0x700])
        #expect(graph.resolve(address: 0x1000_0000, size: 0x1000).map(\.device) == [gpu, nic, nil])
    }

    @Test func theTopOfTheAddressSpace() {
        var graph = Graph()
        graph.apply(1, .deviceInfo(info(gpu, group: 1, bar: .max - 0xfff, size: 0x1000)))
        #expect(graph.resolve(address: .max - 0x1fff, size: 0x2000).map(\.size) == [0x1000, 0x1000])
        #expect(
            graph.resolve(address: .max, size: 5) == [Target(device: gpu, bar: 0, barOffset: 0xfff, iova: 0, size: 1)])
        #expect(graph.resolve(address: 0, size: 0) == [])
    }

    @Test func followsInfoBindAndRemove() {
        var graph = Graph()
        graph.apply(1, .deviceInfo(info(gpu, group: 1, bar: 0x1000_0000)))
        #expect(graph.resolve(address: 0x1000_0000, size: 1).first?.device == gpu)
        graph.apply(2, .deviceInfo(info(gpu, group: 1, bar: 0x2000_0000)))
        #expect(graph.resolve(address: 0x1000_0000, size: 1).first?.device == nil)
        #expect(graph.resolve(address: 0x2000_0000, size: 1).first?.device == gpu)
        // A driver event without BARs does not change them.
        graph.apply(3, .driverBind(DeviceInfo(device: gpu, driver: DriverName("e1000e"))))
        #expect(graph.resolve(address: 0x2000_0000, size: 1).first?.device == gpu)
        graph.apply(4, .deviceRemove(gpu))
        #expect(graph.resolve(address: 0x2000_0000, size: 1).first?.device == nil)
    }

    @Test func everyBarAndTheROM() {
        var bars: InlineArray<7, Bar> = InlineArray(repeating: Bar())
        for index in 0..<7 { bars[index] = Bar(address: UInt64(index + 1) << 20, size: 0x1000) }
        let table = BarTable([Device(info: bars, at: gpu)])
        for index in 0..<7 {
            var targets = Few<Target>()
            table.resolve(address: UInt64(index + 1) << 20 | 0x10, size: 1, iova: 0, into: &targets)
            #expect(targets.first?.bar == UInt8(index))
            #expect(targets.first?.barOffset == 0x10)
        }
    }
}

extension Device {
    fileprivate init(info bars: InlineArray<7, Bar>, at address: PCIAddress) {
        self.init(address)
        info.bars = bars
    }
}
