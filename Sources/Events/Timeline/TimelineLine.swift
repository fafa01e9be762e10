// SPDX-License-Identifier: Apache-2.0
/// The types of line of a timeline, and the actions that each has: the grammar over
/// `TimelineWord`.
///
/// The raw value is an index. Those that the summary counts come first, in its order.
public enum TimelineLine: Int, CaseIterable, Sendable {
    case container, group, device, map, unmap, memory, process, gap
    case header, finding, summary

    /// The types that the summary counts.
    public static var counted: ArraySlice<TimelineLine> { allCases.prefix { $0 != .header } }

    @inlinable public var word: TimelineWord {
        switch self {
        case .container: .container
        case .group: .group
        case .device: .device
        case .map: .map
        case .unmap: .unmap
        case .memory: .memory
        case .process: .process
        case .gap: .gap
        case .header: .header
        case .finding: .finding
        case .summary: .summary
        }
    }

    /// What `action` of such a line can be; empty for a type without that key.
    public var actions: [TimelineWord] {
        switch self {
        case .container: [.open, .close, .setIOMMU, .release, .present, .held, .walkBegin, .walkEnd]
        case .group: [.open, .close, .attach, .detach, .present, .held]
        case .device:
            [
                .add, .open, .close, .firstOpen, .lastClose, .mmap, .bind, .unbind, .remove, .assign, .present, .held,
                .dmaBufExport, .dmaBufRevoke, .dmaBufRestore, .dmaBufRelease, .keptBar, .letGo,
            ]
        case .unmap: [.removed, .request]
        case .memory: [.enable, .disable, .resetBegin, .resetEnd, .power]
        case .process: [.info, .exit, .exec]
        case .gap: [.lost, .snapshotBegin, .snapshotEnd]
        case .map, .header, .finding, .summary: []
        }
    }
}
