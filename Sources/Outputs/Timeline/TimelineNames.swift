import Events
import Findings

/// How the timeline spells fixed values; the reader's counterpart is `TimelineWord`.
extension Provenance {
    var timelineName: StaticString {
        switch self {
        case .observed: "observed"
        case .snapshot: "snapshot"
        case .inferred: "inferred"
        }
    }
}

extension RemovalCause {
    var timelineName: StaticString {
        switch self {
        case .request: "request"
        case .teardown: "teardown"
        case .failedMap: "failed-map"
        }
    }
}

extension Backing.Kind {
    var timelineName: StaticString {
        switch self {
        case .file: "file"
        case .memfd: "memfd"
        case .anonymous: "anonymous"
        }
    }
}

extension Origin {
    var timelineName: StaticString { self == .vfio ? "vfio" : "host" }
}

extension PowerState {
    var timelineName: StaticString {
        switch self {
        case .d0: "D0"
        case .d1: "D1"
        case .d2: "D2"
        case .d3hot: "D3hot"
        case .d3cold: "D3cold"
        case .unknown: "unknown"
        }
    }
}

extension Severity {
    var timelineName: StaticString {
        switch self {
        case .info: "info"
        case .low: "low"
        case .medium: "medium"
        case .high: "high"
        case .critical: "critical"
        }
    }
}

extension ByteWriter {
    /// Appends `0000:02:00.0`.
    mutating func append(_ device: PCIAddress) {
        let domain = device.domain
        append(hex: domain, digits: max(4, (67 - domain.leadingZeroBitCount) / 4))
        append(byte: 0x3a)
        append(hex: UInt64(device.bus), digits: 2)
        append(byte: 0x3a)
        append(hex: UInt64(device.device), digits: 2)
        append(byte: 0x2e)
        append(byte: 0x30 + device.function)
    }
}
