// SPDX-License-Identifier: Apache-2.0
import CZlib

/// The frame of a recording: a file header, then blocks that each carry their own length and
/// checksum.
///
/// File header: the 8 bytes `VFIOSCPE`, then the format version (UInt32) and 4 reserved bytes.
/// Block header, 24 bytes: `VSBK`, kind (UInt32), payload bytes (UInt32), records in it (UInt32),
/// CRC-32 of the payload (UInt32), CRC-32 of the 20 preceding bytes (UInt32). All little-endian.
/// docs/recording.md is the reference.
enum RecordingFormat {
    static let magic: [UInt8] = Array("VFIOSCPE".utf8)
    static let version: UInt32 = 1
    static let fileHeaderBytes = 16
    static let blockMagic: UInt32 = 0x4b42_5356  // "VSBK" in memory
    static let blockHeaderBytes = 24
    static let maxPayloadBytes = 1 << 26

    enum BlockKind: UInt32 { case session = 1, records = 2, end = 3 }

    static func crc(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return 0 }
        return UInt32(truncatingIfNeeded: crc32(0, base.assumingMemoryBound(to: UInt8.self), UInt32(bytes.count)))
    }

    static func fileHeader() -> [UInt8] { magic + littleEndian(version) + [0, 0, 0, 0] }

    static func blockHeader(_ kind: BlockKind, payload: [UInt8], records: UInt32) -> [UInt8] {
        var header =
            littleEndian(blockMagic) + littleEndian(kind.rawValue) + littleEndian(UInt32(payload.count))
            + littleEndian(records)
        header += littleEndian(payload.withUnsafeBytes { crc($0) })
        header += littleEndian(header.withUnsafeBytes { crc($0) })
        return header
    }

    static func littleEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
}

/// Lines of the form `key=value`: the payload of session and end blocks, readable with `strings`.
struct KeyedLines {
    var lines: [(key: String, value: String)] = []

    mutating func add(_ key: String, _ value: some CustomStringConvertible) {
        lines.append((key, String(value.description.map { $0.isNewline ? " " : $0 })))
    }

    var bytes: [UInt8] { Array(lines.map { "\($0.key)=\($0.value)\n" }.joined().utf8) }

    init() {}

    init(_ bytes: UnsafeRawBufferPointer) {
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            lines.append((String(line[..<equals]), String(line[line.index(after: equals)...])))
        }
    }

    subscript(_ key: String) -> String { lines.last { $0.key == key }?.value ?? "" }
    func all(_ key: String) -> [String] { lines.filter { $0.key == key }.map(\.value) }
}

extension Session {
    var keyedLines: KeyedLines {
        var lines = KeyedLines()
        lines.add("tool", toolVersion)
        lines.add("kernel", kernel)
        lines.add("machine", machine)
        lines.add("boot_id", bootID)
        lines.add("clock_offset", clockOffset)
        lines.add("began", began)
        if let mappingLimit { lines.add("dma_entry_limit", mappingLimit) }
        if let remapsInterrupts { lines.add("irq_remapping", remapsInterrupts) }
        if let allowsUnsafeInterrupts { lines.add("unsafe_irqs", allowsUnsafeInterrupts) }
        if let hasIOMMUFD { lines.add("iommufd", hasIOMMUFD) }
        for hook in hooks { lines.add("hook", "\(hook.name) \(hook.function) \(hook.how)") }
        return lines
    }

    init(_ lines: KeyedLines) {
        self.init(
            toolVersion: lines["tool"], kernel: lines["kernel"], machine: lines["machine"], bootID: lines["boot_id"],
            clockOffset: Int64(lines["clock_offset"]) ?? 0, began: UInt64(lines["began"]) ?? 0,
            hooks: lines.all("hook").compactMap { line in
                let words = line.split(separator: " ", maxSplits: 2).map(String.init)
                return words.count == 3 ? Hook(name: words[0], function: words[1], how: words[2]) : nil
            },
            mappingLimit: UInt32(lines["dma_entry_limit"]), remapsInterrupts: Bool(lines["irq_remapping"]),
            allowsUnsafeInterrupts: Bool(lines["unsafe_irqs"]), hasIOMMUFD: Bool(lines["iommufd"]))
    }
}

extension Evidence {
    var keyedLines: KeyedLines {
        var lines = KeyedLines()
        lines.add("attempted", attempted)
        lines.add("delivered", delivered)
        lines.add("lost", lost)
        lines.add("ended", ended)
        for defect in defects { lines.add("defect", defect) }
        return lines
    }

    init(_ lines: KeyedLines) {
        self.init(
            attempted: UInt64(lines["attempted"]) ?? 0, delivered: UInt64(lines["delivered"]) ?? 0,
            lost: UInt64(lines["lost"]) ?? 0,
            ended: UInt64(lines["ended"]) ?? 0, defects: lines.all("defect"))
    }
}
