// SPDX-License-Identifier: Apache-2.0
// The lines of the timeline as Encodable structs, and the buffer through which they are written.
import Foundation

struct MapLine: Encodable {
    var type = "map"
    var t: UInt64
    var time: String
    var container: String
    var pid: UInt32
    var tid: UInt32
    var start: UInt64
    var comm: String
    var uid: UInt32
    var cgroup: UInt64
    var iova: String
    var size: UInt64
    var read: Bool
    var write: Bool
    var result: Int32
    var ram: UInt64
    var targets: [String]
    var provenance: String
    var began: UInt64
}

struct UnmapLine: Encodable {
    var type = "unmap"
    var action: String
    var t: UInt64
    var time: String
    var container: String
    var pid: UInt32
    var tid: UInt32
    var start: UInt64
    var comm: String
    var uid: UInt32
    var cgroup: UInt64
    var iova: String
    var size: UInt64
    var cause: String?
    var flags: UInt32?
    var result: Int32?
    var requested: UInt64?
}

/// Encodes lines and writes them to stdout.
final class Lines {
    private let encoder = JSONEncoder()
    private let clockOffset: Int64
    private var pending = Data()
    private var second = Int64.min
    private var secondText = ""

    init(clockOffset: Int64) {
        self.clockOffset = clockOffset
        encoder.outputFormatting = .withoutEscapingSlashes
    }

    func write(_ line: some Encodable) throws {
        pending.append(try encoder.encode(line))
        pending.append(10)
        if pending.count > 1 << 16 { flush() }
    }

    func flush() {
        FileHandle.standardOutput.write(pending)
        pending.removeAll(keepingCapacity: true)
    }

    /// A time in RFC 3339 with nine decimals, which no formatter of Foundation offers. The part
    /// before the decimal point is formatted once for each second.
    func time(_ sinceBoot: UInt64) -> String {
        let unix = Int64(sinceBoot) + clockOffset
        if unix / 1_000_000_000 != second {
            second = unix / 1_000_000_000
            secondText = String(
                ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: Double(second))).dropLast())
        }
        let digits = String(unix % 1_000_000_000)
        return secondText + "." + String(repeating: "0", count: 9 - digits.count) + digits + "Z"
    }
}
