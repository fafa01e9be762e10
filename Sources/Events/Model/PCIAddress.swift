// SPDX-License-Identifier: Apache-2.0
/// The address of a PCI function: domain, bus, device, function.
///
/// Packed as in the records: `domain << 16 | bus << 8 | device << 3 | function`.
public struct PCIAddress: Hashable, Sendable, Comparable {
    public var packed: UInt64

    public init(packed: UInt64) { self.packed = packed }

    public var domain: UInt64 { packed >> 16 }
    public var bus: UInt8 { UInt8(truncatingIfNeeded: packed >> 8) }
    public var device: UInt8 { UInt8(truncatingIfNeeded: packed >> 3) & 0x1f }
    public var function: UInt8 { UInt8(truncatingIfNeeded: packed) & 7 }

    public static func < (a: Self, b: Self) -> Bool { a.packed < b.packed }

    /// Parses `0000:02:00.0` or `02:00.0`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        var fields: [UInt64] = []
        var value: UInt64 = 0
        var digits = 0
        var separators: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: ":"), UInt8(ascii: "."):
                guard digits > 0 else { return nil }
                separators.append(byte)
                fields.append(value)
                value = 0
                digits = 0
            default:
                guard let digit = hexDigitValue(byte), digits < 8 else { return nil }
                value = value << 4 | UInt64(digit)
                digits += 1
            }
        }
        guard digits > 0 else { return nil }
        fields.append(value)
        let colon = UInt8(ascii: ":"), dot = UInt8(ascii: ".")
        if separators == [colon, dot] {
            fields.insert(0, at: 0)
        } else if separators != [colon, colon, dot] {
            return nil
        }
        guard fields[1] <= 0xff, fields[2] <= 0x1f, fields[3] <= 7 else { return nil }
        packed = fields[0] << 16 | fields[1] << 8 | fields[2] << 3 | fields[3]
    }
}

extension PCIAddress: CustomStringConvertible {
    public var description: String {
        let domain = String(self.domain, radix: 16)
        return String(repeating: "0", count: max(0, 4 - domain.count)) + domain + ":" + hex2(bus) + ":" + hex2(device)
            + "." + String(function)
    }
}

@inlinable
func hexDigitValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x61...0x66: byte - 0x61 + 10
    case 0x41...0x46: byte - 0x41 + 10
    default: nil
    }
}

private func hex2(_ value: UInt8) -> String {
    let text = String(value, radix: 16)
    return text.count == 1 ? "0" + text : text
}
