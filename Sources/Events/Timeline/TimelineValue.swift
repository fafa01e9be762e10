// SPDX-License-Identifier: Apache-2.0
/// How the timeline spells the fixed values of events: one table for writer and reader.
///
/// The raw values of such a type are below 8.
public protocol TimelineValue: RawRepresentable<UInt8> {
    var word: TimelineWord { get }
}

extension TimelineValue {
    /// The value that a word spells, nil for a word that spells none of them. O(values).
    @inline(__always)
    init?(_ word: TimelineWord) {
        for raw in 0..<8 as Range<UInt8> {
            if let value = Self(rawValue: raw), value.word == word {
                self = value
                return
            }
        }
        return nil
    }

    /// Every word that spells a value of this type, in the order of the values.
    public static var words: [TimelineWord] { (0..<8 as Range<UInt8>).compactMap { Self(rawValue: $0)?.word } }
}

extension Provenance: TimelineValue {
    @inlinable public var word: TimelineWord {
        switch self {
        case .observed: .observed
        case .snapshot: .snapshot
        case .inferred: .inferred
        }
    }
}

/// Besides these, a line about a mapping that a snapshot showed to be gone has the cause `resync`.
extension RemovalCause: TimelineValue {
    @inlinable public var word: TimelineWord {
        switch self {
        case .request: .request
        case .teardown: .teardown
        case .failedMap: .failedMap
        }
    }
}

extension Backing.Kind: TimelineValue {
    @inlinable public var word: TimelineWord {
        switch self {
        case .file: .file
        case .memfd: .memfd
        case .anonymous: .anonymous
        }
    }
}

extension Origin: TimelineValue {
    @inlinable public var word: TimelineWord { self == .vfio ? .vfio : .host }
}

extension PowerState: TimelineValue {
    @inlinable public var word: TimelineWord {
        switch self {
        case .d0: .d0
        case .d1: .d1
        case .d2: .d2
        case .d3hot: .d3hot
        case .d3cold: .d3cold
        case .unknown: .unknown
        }
    }
}
