// SPDX-License-Identifier: Apache-2.0
import CRecords
import Events
import Glibc
import TestSupport
import Testing

/// Returns a recording that the real writer has written to a temporary file.
private func record(_ body: (RecordingWriter) throws -> Void) throws -> [UInt8] {
    var template = Array("/tmp/vfioscope-test-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    defer {
        close(descriptor)
        unlink(template)
    }
    let writer = try RecordingWriter(descriptor: descriptor, path: "test")
    try body(writer)
    lseek(descriptor, 0, SEEK_SET)
    var bytes = [UInt8](repeating: 0, count: Int(writer.bytesWritten))
    #expect(read(descriptor, &bytes, bytes.count) == bytes.count)
    return bytes
}

private let session = Session(
    toolVersion: "9.9", kernel: "6.12.1-test", machine: "x86_64", bootID: "b007", clockOffset: -5, began: 77,
    hooks: [
        .init(name: "dma-remove", function: "vfio_remove_dma", how: "fentry"),
        .init(name: "power", function: "pci_power_up", how: "missing (no such device)"),
    ], mappingLimit: 70_000, remapsInterrupts: false,
    allowsUnsafeInterrupts: true, hasIOMMUFD: false)

private func mapRecord(_ index: UInt64, ret: Int32 = 0) -> vs_map {
    var map = vs_map()
    map.h.type = UInt16(VS_MAP.rawValue)
    map.h.size = UInt16(MemoryLayout<vs_map>.size)
    map.h.time = 1000 + index * 3
    map.h.tgid = 42
    map.h.tid = 43
    map.iommu = 0xffff_8881_0000_0000
    map.iova = index * 4096
    map.size = 4096
    map.ret = ret
    return map
}

private func append(_ map: vs_map, to writer: RecordingWriter) throws {
    try withUnsafeBytes(of: map) { try writer.append($0.baseAddress!, count: $0.count) }
}

private func read(_ bytes: [UInt8]) throws -> (iovas: [UInt64], evidence: Evidence, session: Session?) {
    var iovas: [UInt64] = []
    var decoder = RecordDecoder()
    return try bytes.withUnsafeBytes { raw in
        var reader = try RecordingReader(raw, path: "test")
        reader.forEach { record, count in
            if let event = decoder.decode(record, count: count), case .map(let map) = event.kind {
                iovas.append(map.iova)
            }
        }
        return (iovas, reader.evidence, reader.session)
    }
}

@Suite("Recordings")
struct RecordingTests {
    private func whole(_ count: UInt64, flushEvery: UInt64 = 1000) throws -> [UInt8] {
        try record { writer in
            try writer.append(session)
            for index in 0..<count {
                try append(mapRecord(index), to: writer)
                if index % flushEvery == flushEvery - 1 { try writer.flush() }
            }
            try writer.finish(Evidence(attempted: count, delivered: count, lost: 0, ended: 5000))
        }
    }

    @Test func readsTheWrittenRecords() throws {
        let result = try read(try whole(5000))
        #expect(result.iovas == (0..<5000).map { $0 * 4096 })
        #expect(result.session == session)
        #expect(result.evidence == Evidence(attempted: 5000, delivered: 5000, lost: 0, ended: 5000))
    }

    @Test func ascendingMapsTakeFewBytes() throws {
        let bytes = try whole(10000, flushEvery: 100_000)
        #expect(bytes.count < 10000 * 8)
    }

    @Test func randomRecordsSurvive() throws {
        var generator = Random(seed: 7)
        var maps: [vs_map] = []
        for index in 0..<2000 {
            var map = mapRecord(UInt64(index))
            map.iova = generator.next()
            map.size = generator.next()
            map.iommu = generator.next()
            map.h.time = generator.next()
            map.h.comm.0 = CChar(truncatingIfNeeded: generator.next())
            maps.append(map)
        }
        let bytes = try record { writer in
            try writer.append(session)
            for map in maps { try append(map, to: writer) }
            try writer.finish(Evidence())
        }
        var index = 0
        try bytes.withUnsafeBytes { raw in
            var reader = try RecordingReader(raw, path: "test")
            reader.forEach { record, count in
                #expect(count == MemoryLayout<vs_map>.size)
                let same = withUnsafeBytes(of: maps[index]) { memcmp($0.baseAddress!, record, count) == 0 }
                #expect(same)
                index += 1
            }
        }
        #expect(index == maps.count)
    }

    /// Truncates the file at every length that a killed tool or a full disk can leave.
    @Test func anyTruncationKeepsWholeBlocksAndIsReported() throws {
        let bytes = try whole(300, flushEvery: 100)
        for length in stride(from: 1, to: bytes.count, by: 7) {
            let result = try read(Array(bytes[..<length]))
            #expect(!result.evidence.isComplete)
            #expect(result.iovas.count % 100 == 0)
            #expect(result.iovas == (0..<UInt64(result.iovas.count)).map { $0 * 4096 })
        }
    }

    /// Flips one bit anywhere. It never causes a crash or a wrong record, and is always reported.
    @Test func anyFlippedBitIsNoticed() throws {
        let bytes = try whole(300, flushEvery: 100)
        for position in 16..<bytes.count {
            var damaged = bytes
            damaged[position] ^= 1 << UInt8(position % 8)
            let result = try read(damaged)
            #expect(!result.evidence.isComplete || result.session == nil, "byte \(position)")
            let allowed = Set((0..<300).map { UInt64($0) * 4096 })
            #expect(result.iovas.allSatisfy { allowed.contains($0) })
        }
    }

    @Test func otherFilesAreRefused() throws {
        #expect(throws: RecordingError.empty(path: "test")) { try read([]) }
        #expect(throws: RecordingError.notARecording(path: "test")) { try read(Array("\u{7f}ELF and so on".utf8)) }
        var newer = try whole(1)
        newer[8] = 2
        #expect(throws: RecordingError.newerVersion(path: "test", version: 2)) { try read(newer) }
    }

    @Test func aFullDiskIsAnErrorThatStays() throws {
        let descriptor = open("/dev/full", O_WRONLY)
        defer { close(descriptor) }
        #expect(throws: RecordingError.cannotWrite(path: "full", errno: ENOSPC)) {
            _ = try RecordingWriter(descriptor: descriptor, path: "full")
        }
    }
}
