// SPDX-License-Identifier: Apache-2.0
/// The parts of sentences about limits.

/// ` At the present rate that happens in 12 seconds.`; empty if there is no rate.
func exhaustion(_ nanoseconds: UInt64?) -> String {
    guard let nanoseconds else { return "" }
    let seconds = nanoseconds / 1_000_000_000
    let amount: (UInt64, String)
    switch seconds {
    case 0: return " At the present rate that happens within a second."
    case ..<120: amount = (seconds, "second")
    case ..<7200: amount = (seconds / 60, "minute")
    case ..<172_800: amount = (seconds / 3600, "hour")
    case ..<31_536_000: amount = (seconds / 86_400, "day")
    default: return ""
    }
    return " At the present rate that happens in \(amount.0) \(amount.1)\(amount.0 == 1 ? "" : "s")."
}

/// Like `amount`, but in KiB if rounding would hide how close two amounts are.
func exactAmount(_ bytes: UInt64) -> String {
    let text = amount(bytes)
    return bytes & 0x3ff == 0 && bytes >> 10 > 0 && bytes < 10 << 30 && text.contains(".") ? "\(bytes >> 10) KiB" : text
}
