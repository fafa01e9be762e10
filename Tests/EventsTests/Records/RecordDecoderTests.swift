// SPDX-License-Identifier: Apache-2.0
import CRecords
import Events
import Testing

/// Tests how records become events, including short, damaged and old ones.
@Suite("Record decoder")
struct RecordDecoderTests {
    private func decode<T>(
        _ decoder: inout RecordDecoder, _ type: vs_type, _ record: T, _ set: (inout vs_header) -> Void = { _ in }
    ) -> Event? {
        var copy = record
        return withUnsafeMutableBytes(of: &copy) { raw in
            var header = raw.load(as: vs_header.self)
            header.type = UInt16(type.rawValue)
            header.size = UInt16(raw.count)
            set(&header)
            raw.storeBytes(of: header, as: vs_header.self)
            return decoder.decode(raw.baseAddress!, count: raw.count)
        }
    }

    private func cause(_ event: Event?) -> RemovalCause? {
        guard case .mappingRemoved(let removed)? = event?.kind else { return nil }
        return removed.cause
    }

    @Test func removalDuringDetachIsTeardownForThatThreadAndIOMMUOnly() {
        var decoder = RecordDecoder()
        var detach = vs_iommu()
        detach.iommu = 1
        detach.phase = VS_BEGIN.rawValue
        #expect(decode(&decoder, VS_IOMMU_DETACH, detach) { $0.tid = 7 } == nil)
        var remove = vs_remove()
        remove.iommu = 1
        #expect(cause(decode(&decoder, VS_REMOVE, remove) { $0.tid = 7 }) == .teardown)
        #expect(cause(decode(&decoder, VS_REMOVE, remove) { $0.tid = 8 }) == .request)
        remove.iommu = 2
        #expect(cause(decode(&decoder, VS_REMOVE, remove) { $0.tid = 7 }) == .request)
        detach.phase = VS_END.rawValue
        #expect(decode(&decoder, VS_IOMMU_DETACH, detach) { $0.tid = 7 } == nil)
        remove.iommu = 1
        #expect(cause(decode(&decoder, VS_REMOVE, remove) { $0.tid = 7 }) == .request)
    }

    @Test func removalOfAFailedMapHasThatCause() {
        var decoder = RecordDecoder()
        var remove = vs_remove()
        remove.flags = VS_REMOVE_FAILED_MAP.rawValue
        #expect(cause(decode(&decoder, VS_REMOVE, remove)) == .failedMap)
    }

    /// A record that only triggers a scan is not an event, and is not in recordings either.
    @Test func keptBars() {
        var decoder = RecordDecoder()
        var raw = vs_kept_bar()
        raw.pci = 0x200
        raw.phys = 0xf000_1000
        raw.size = 4096
        for action in [VS_KEPT, VS_LET_GO] {
            raw.action = action.rawValue
            guard case .keptBar(let kept)? = decode(&decoder, VS_KEPT_BAR, raw, { $0.tgid = 7 })?.kind else {
                Issue.record("no kept BAR")
                return
            }
            #expect(
                kept.device == PCIAddress(packed: 0x200) && kept.address == 0xf000_1000 && kept.size == 4096
                    && kept.isKept == (action == VS_KEPT))
        }
        raw.action = VS_COPIED.rawValue
        #expect(decode(&decoder, VS_KEPT_BAR, raw) == nil && decoder.unknownRecords == 1)
    }

    @Test func releaseIsReportedAtItsEnd() {
        var decoder = RecordDecoder()
        var release = vs_iommu()
        release.iommu = 5
        release.phase = VS_BEGIN.rawValue
        #expect(decode(&decoder, VS_IOMMU_RELEASE, release) == nil)
        release.phase = VS_END.rawValue
        guard case .iommuRelease(let key)? = decode(&decoder, VS_IOMMU_RELEASE, release)?.kind else {
            Issue.record("no release")
            return
        }
        #expect(key == IOMMUKey(5))
    }

    @Test func shortAndUnknownRecordsAreCountedNotRead() {
        var decoder = RecordDecoder()
        var map = vs_map()
        map.h.type = UInt16(VS_MAP.rawValue)
        withUnsafeBytes(of: &map) { raw in
            for count in [0, 8, MemoryLayout<vs_header>.size, 120] {
                #expect(decoder.decode(raw.baseAddress!, count: count) == nil)
            }
        }
        #expect(decoder.unknownRecords == 4)
        map.h.type = 39
        withUnsafeBytes(of: &map) { raw in #expect(decoder.decode(raw.baseAddress!, count: raw.count) == nil) }
        #expect(decoder.unknownRecords == 5)
    }

    /// Records of the first version, followed by unrelated bytes.
    @Test func missingFieldsAreEmpty() {
        var decoder = RecordDecoder()
        var map = vs_map()
        map.h.type = UInt16(VS_MAP.rawValue)
        map.size = 0x3000
        map.backing_kind = VS_BACKING_MEMFD.rawValue
        map.backing_inode = 7
        let (short, whole) = withUnsafeBytes(of: &map) { raw in
            (decoder.decode(raw.baseAddress!, count: 128), decoder.decode(raw.baseAddress!, count: raw.count))
        }
        guard case .map(let old)? = short?.kind, case .map(let new)? = whole?.kind else {
            Issue.record("no map")
            return
        }
        #expect(old.size == 0x3000 && old.backing == nil)
        #expect(new.backing == Backing(kind: .memfd, device: 0, inode: 7, offset: 0))
        var unmap = vs_unmap()
        unmap.h.type = UInt16(VS_UNMAP.rawValue)
        unmap.requested = 0x2000
        let requests = withUnsafeBytes(of: &unmap) { raw in
            [88, raw.count].map { decoder.decode(raw.baseAddress!, count: $0)?.kind }
        }
        guard case .unmapRequest(let oldRequest)? = requests[0], case .unmapRequest(let newRequest)? = requests[1]
        else {
            Issue.record("no request")
            return
        }
        #expect(oldRequest.requested == nil && newRequest.requested == 0x2000)
    }

    /// In the first recordings a device's record ends before its MSI-X table.
    @Test func deviceRecordsOfTwoLengths() {
        var decoder = RecordDecoder()
        var raw = vs_driver()
        raw.h.type = UInt16(VS_DEVICE_INFO.rawValue)
        raw.pci = 0x0200
        raw.bars.2 = vs_bar(address: 0xf000_0000, size: 0x1000)
        raw.msix_bar = 3
        raw.msix_offset = 0x800
        raw.msix_bytes = 80
        for (count, table) in [(240, MSIXTable(bar: 3, offset: 0x800, size: 80)), (224, nil)] {
            raw.h.size = UInt16(count)
            withUnsafeBytes(of: &raw) { bytes in
                guard case .deviceInfo(let info)? = decoder.decode(bytes.baseAddress!, count: count)?.kind else {
                    Issue.record("no device")
                    return
                }
                #expect(
                    info.device == PCIAddress("0000:02:00.0") && info.bars[2] == Bar(address: 0xf000_0000, size: 0x1000)
                        && info.msix == table)
            }
        }
        // A record whose size field exceeds its real size.
        raw.h.size = 240
        withUnsafeBytes(of: &raw) { bytes in
            guard case .deviceInfo(let info)? = decoder.decode(bytes.baseAddress!, count: 224)?.kind else {
                Issue.record("no device")
                return
            }
            #expect(info.msix == nil)
        }
        guard case .barsAssigned? = decode(&decoder, VS_BAR_MOVE, raw)?.kind else {
            Issue.record("no assignment")
            return
        }
    }

    @Test func whatIsNotKnownIsNil() {
        var decoder = RecordDecoder()
        var device = vs_device()
        device.pci = .max
        device.number = .max
        device.open_count = .max
        guard case .deviceOpen(let use)? = decode(&decoder, VS_DEVICE_OPEN, device)?.kind else {
            Issue.record("no open")
            return
        }
        #expect(use.device == nil && use.group == nil && use.openCount == nil && use.memoryEnabled == nil)
        device.command = 6
        guard case .deviceFirstOpen(let first)? = decode(&decoder, VS_DEVICE_ENABLE, device)?.kind else {
            Issue.record("no first open")
            return
        }
        #expect(first.memoryEnabled == true)
    }
}

@Suite("PCI addresses")
struct PCIAddressTests {
    @Test(arguments: ["0000:02:00.0", "ffff:ff:1f.7", "10000:e1:00.1"])
    func textGoesThereAndBack(_ text: String) { #expect(PCIAddress(text)?.description == text) }

    @Test func shortFormHasDomainZero() { #expect(PCIAddress("02:00.0")?.description == "0000:02:00.0") }

    @Test(arguments: [
        "", "02", "02:00", "0000:02:20.0", "0000:02:00.8", "0000:100:00.0", "0000:02:00.0x", "g000:02:00.0",
        "0000.02.00:0", ":02:00.0",
    ])
    func whatIsNoneIsRefused(_ text: String) { #expect(PCIAddress(text) == nil) }
}
