// SPDX-License-Identifier: Apache-2.0
import Events

/// A part of a BAR that a process keeps where the kernel's zap does not reach it. The process's
/// CPUs can still access it, whatever becomes of the device.
public struct KeptArea: Sendable {
    /// Unique in a graph, in order of appearance.
    public let id: UInt32
    public var holder: Actor
    public var device: PCIAddress
    public var bar: UInt8
    public var barOffset: UInt64
    /// Bytes.
    public var size: UInt64
}

extension Graph {
    /// An area outside all known BARs is ignored, both when it appears and when it goes. O(kept
    /// areas).
    mutating func apply(_ kept: KeptBar, _ event: Event) -> Applied {
        guard let target = resolve(address: kept.address, size: 1).first, target.device == kept.device else {
            return Applied()
        }
        let same = keptAreas.values.first { area in
            area.holder.process == event.actor.process && area.device == kept.device && area.bar == target.bar
                && area.barOffset == target.barOffset
                && area.size == kept.size
        }
        if let same, !kept.isKept {
            keptAreas[same.id] = nil
        } else if same == nil, kept.isKept {
            nextKeptArea += 1
            keptAreas[nextKeptArea] = KeptArea(
                id: nextKeptArea, holder: event.actor, device: kept.device, bar: target.bar,
                barOffset: target.barOffset,
                size: kept.size)
        }
        var applied = Applied()
        applied.affects = .device(kept.device)
        applied.container = containerID(of: kept.device)
        return applied
    }

    /// A device's last close follows the end of its last area, because each area holds the device's
    /// file. An address space ends with its process or program.
    mutating func forgetKept(_ isGone: (KeptArea) -> Bool) {
        if !keptAreas.isEmpty { keptAreas = keptAreas.filter { !isGone($0.value) } }
    }

    public var hasKeptAreas: Bool { !keptAreas.isEmpty }

    public func keptArea(_ id: UInt32) -> KeptArea? { keptAreas[id] }

    /// The kept areas in order of appearance. O(*n* log *n*).
    public var allKeptAreas: [KeptArea] { keptAreas.isEmpty ? [] : keptAreas.values.sorted { $0.id < $1.id } }
}
