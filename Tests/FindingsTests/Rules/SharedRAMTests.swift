// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import TestSupport
import Testing

/// When `shared-ram` fires, and when it is silent.
@Suite struct SharedRAMTests {
    private func map(
        _ iova: UInt64, _ kind: Backing.Kind, inode: UInt64 = 7, offset: UInt64 = 0, size: UInt64 = 0x10_0000,
        side: IOMMUKey
    ) -> Event.Kind {
        var map = MapRequest(iommu: side, iova: iova, size: size)
        map.backing = Backing(kind: kind, device: 5, inode: inode, offset: offset)
        return .map(map)
    }

    /// c1 is vmA's, c2 is `other`'s.
    private func two(other: Actor = vmB) -> Host {
        var it = Host.withRAM("shared-ram", type: 3)
        it.at(10, .containerOpen(c2), by: other)
        it.at(11, .groupAttach(nicGroup, c2), by: other)
        it.at(12, .iommuOpen(i2, type: 3, container: nil), by: other)
        it.at(13, .iommuAttach(i2, group: nicGroup, result: 0), by: other)
        return it
    }

    @Test func oneFileInTwoContainersOfTwoOwners() {
        var it = two()
        it.at(100, map(0x1000_0000, .memfd, side: i1))
        it.at(200, map(0x5000_0000, .memfd, offset: 0x8_0000, side: i2), by: vmB)
        it.advance(to: 5000)
        #expect(it.reported == ["shared-ram low open"])
        #expect(
            it.findings[0].container == ContainerID(2) && it.findings[0].since == 200 && it.findings[0].actor == vmB)
        #expect(
            it.findings[0].message
                == "512 KiB of a memfd (inode 7) are mapped in c2 (qemu-b, pid 200) and in c1 (qemu-a, pid 100): "
                + "their devices share that memory.")
        it.remove(6000, iova: 0x1000_0000, size: 0x10_0000)
        #expect(it.reported.last == "shared-ram low resolved")
    }

    @Test func anonymousMemoryOfTwoUsers() {
        var nobody = vmB
        nobody.uid = 65_534
        for (other, severity) in [(vmB, "low"), (nobody, "high")] {
            var it = two(other: other)
            it.at(100, map(0x1000_0000, .anonymous, side: i1))
            it.at(200, map(0x5000_0000, .anonymous, side: i2), by: other)
            it.advance(to: 5000)
            #expect(it.reported == ["shared-ram \(severity) open"])
            #expect(
                it.findings[0].message.contains("1 MiB of shared anonymous memory")
                    && it.findings[0].message.contains("of two users") == (severity == "high"))
        }
    }

    @Test func otherFilesOtherPartsAndOneOwnerAreInOrder() {
        var it = two()
        it.at(100, map(0x1000_0000, .memfd, side: i1))
        it.at(101, map(0x5000_0000, .memfd, inode: 8, side: i2), by: vmB)
        it.at(102, map(0x6000_0000, .memfd, offset: 0x10_0000, side: i2), by: vmB)
        it.at(103, .map(MapRequest(iommu: i2, iova: 0x7000_0000, size: 0x10_0000)), by: vmB)
        // The same process in both.
        it.at(104, map(0x2000_0000, .file, inode: 9, side: i1))
        it.at(105, map(0x8000_0000, .file, inode: 9, side: i2))
        it.advance(to: 5000)
        #expect(it.reported == [])
    }

    /// A part that grows into the other's is reported; more of the same is not.
    @Test func aPartThatGrows() {
        var it = two()
        it.at(100, map(0x1000_0000, .file, offset: 0x10_0000, side: i1))
        it.at(200, map(0x5000_0000, .file, offset: 0, side: i2), by: vmB)
        it.advance(to: 5000)
        #expect(it.reported == [])
        it.at(6000, map(0x5010_0000, .file, offset: 0x10_0000, side: i2), by: vmB)
        it.at(6001, map(0x5020_0000, .file, offset: 0x20_0000, side: i2), by: vmB)
        it.advance(to: 9000)
        #expect(it.reported == ["shared-ram low open"] && it.findings[0].since == 6000)
        it.at(10_000, .iommuRelease(i1))
        #expect(it.reported.last == "shared-ram low resolved")
        #expect(it.graph.commonMemory(of: ContainerID(2)) == [])
    }

    /// The ordinary end: mappings go one by one, and the graph keeps nothing about them.
    @Test func nothingIsKeptOfWhatIsUnmapped() {
        var it = two()
        for number in UInt64(0)..<300 {
            it.at(
                100 + number, map(0x1000_0000 + number << 20, .memfd, inode: number % 3, offset: number << 20, side: i1)
            )
        }
        it.at(500, map(0x5000_0000, .memfd, inode: 2, offset: 0x20_0000, side: i2), by: vmB)
        #expect(it.graph.commonMemory(of: ContainerID(2)).map(\.bytes) == [0x10_0000])
        #expect(it.graph.commonMemory(of: ContainerID(1)) == [])
        for number in UInt64(0)..<300 { it.remove(600 + number, iova: 0x1000_0000 + number << 20, size: 0x10_0000) }
        #expect(it.graph.commonMemory(of: ContainerID(2)) == [])
        it.advance(to: 5000)
        #expect(it.reported == [])
    }
}
