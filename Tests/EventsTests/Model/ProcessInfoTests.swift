// SPDX-License-Identifier: Apache-2.0
import CRecords
@testable import Events
import Testing

/// Tests how records of /proc's facts are decoded and packed.
@Suite("Process information")
struct ProcessInfoTests {
    /// Every stage copies events.
    @Test func eventsAreSmall() {
        #expect(MemoryLayout<Event>.size <= 152)
    }

    private func decode(_ record: vs_process_info, count: Int) -> ProcessInfo? {
        var record = record
        record.h.type = UInt16(VS_PROCESS_INFO.rawValue)
        record.h.size = UInt16(count)
        var decoder = RecordDecoder()
        return withUnsafeBytes(of: &record) { raw in
            guard case .processInfo(let info)? = decoder.decode(raw.baseAddress!, count: count)?.kind else {
                return nil
            }
            return info
        }
    }

    @Test func theFirstRecordsEndedBehindTheName() {
        var record = vs_process_info()
        withUnsafeMutableBytes(of: &record.vm) { $0.copyBytes(from: "web-1".utf8) }
        record.flags = VS_PROCESS_HAS_LIMITS.rawValue
        let info = decode(record, count: 312)
        #expect(info?.vm == ShortText("web-1") && info?.vmUUID == "" && info?.command == "" && info?.memoryLock == nil)
        #expect(decode(record, count: 304) == nil)
    }

    @Test func aWholeRecordIsRead() {
        var record = vs_process_info()
        withUnsafeMutableBytes(of: &record.vm_uuid) { $0.copyBytes(from: "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b10".utf8) }
        withUnsafeMutableBytes(of: &record.command) { $0.copyBytes(from: [UInt8](repeating: 0x78, count: 1024)) }
        withUnsafeMutableBytes(of: &record.cgroup_path) { $0.copyBytes(from: "/system.slice/a.service".utf8) }
        record.memlock_limit = 1 << 20
        record.flags = VS_PROCESS_HAS_LIMITS.rawValue
        let size = MemoryLayout<vs_process_info>.size
        var info = decode(record, count: size)
        #expect(
            info?.vmUUID == "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b10" && info?.command.utf8.count == 1024
                && info?.cgroup.unit == "a.service")
        #expect(
            info?.memoryLock == MemoryLock(limit: 1 << 20, isLifted: false)
                && info?.memoryLock?.effectiveLimit == 1 << 20)
        record.flags |= VS_PROCESS_MAY_LOCK.rawValue
        info = decode(record, count: size)
        #expect(info?.memoryLock?.effectiveLimit == nil)
        record.memlock_limit = .max
        info = decode(record, count: size)
        #expect(info?.memoryLock == MemoryLock(limit: nil, isLifted: true))
    }

    /// A record of more than 64 words has several masks, and is unchanged after packing and
    /// unpacking.
    @Test func longRecordsArePacked() {
        var record = vs_process_info()
        record.h.type = UInt16(VS_PROCESS_INFO.rawValue)
        record.h.size = UInt16(MemoryLayout<vs_process_info>.size)
        record.h.tid = 7
        withUnsafeMutableBytes(of: &record.command) { raw in
            for index in raw.indices { raw[index] = UInt8(truncatingIfNeeded: index &* 7 &+ 1) }
        }
        record.memlock_limit = 12345
        var encoder = RecordEncoder()
        let unpacker = RecordUnpacker()
        defer {
            encoder.deallocate()
            unpacker.deallocate()
        }
        let original = withUnsafeBytes(of: &record) { raw in
            for _ in 0..<3 { encoder.append(raw.baseAddress!, words: raw.count >> 3) }
            return Array(raw)
        }
        var read: [[UInt8]] = []
        let isSound = encoder.bytes.withUnsafeBytes { payload in
            unpacker.forEach(in: payload, count: 3) { read.append(Array(UnsafeRawBufferPointer(start: $0, count: $1))) }
        }
        #expect(isSound && read == [original, original, original])
        // Every truncation is detected.
        for count in stride(from: 0, to: encoder.bytes.count, by: 13) {
            #expect(!encoder.bytes.prefix(count).withUnsafeBytes { unpacker.forEach(in: $0, count: 3) { _, _ in } })
        }
    }
}
