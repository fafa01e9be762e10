// SPDX-License-Identifier: Apache-2.0
import Events
import Findings

/// How the timeline spells severities.
extension Severity: TimelineValue {
    public var word: TimelineWord {
        switch self {
        case .info: .info
        case .low: .low
        case .medium: .medium
        case .high: .high
        case .critical: .critical
        }
    }
}
