// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// The parts of sentences that rules share.
extension Exposure {
    /// `BAR 0 of 0000:02:00.0`, or a part of it by its offsets, the last one included.
    var place: String {
        device.placeName(
            bar: target.bar, offset: target.barOffset, size: target.size, of: peer.bars[index].size, begins: true)
    }

    /// `c1 (vm-a)`: the mapping's container and its creator.
    func holder(_ graph: borrowing Graph) -> String { "\(peer.container) (\(graph.displayName(for: peer.creator)))" }

    /// `read and write`, by the mapping's protection.
    func access(_ graph: borrowing Graph) -> String {
        guard let mapping = graph.mapping(at: peer.iova, in: peer.container) else { return "access" }
        switch (mapping.readable, mapping.writable) {
        case (true, false): return "read"
        case (false, true): return "write"
        default: return "read and write"
        }
    }

    /// Why no DMA would arrive; nil if one would.
    var unreachableReason: String? {
        device.unreachableReason ?? (reach == .possible ? nil : "no device of \(peer.container) is open")
    }

    /// The mapping's IOVA for a sentence.
    var at: String { "at IOVA \(hex(target.iova))" }
}

extension Device {
    /// `BAR 0 of 0000:02:00.0`, or a part of its `whole` bytes by its offsets, the last one
    /// included. `begins` a sentence.
    func placeName(bar: UInt8, offset: UInt64, size: UInt64, of whole: UInt64, begins: Bool) -> String {
        let name = bar == 6 ? "\(begins ? "The" : "the") expansion ROM of \(address)" : "BAR \(bar) of \(address)"
        if offset == 0, size == whole { return name }
        return "\(name) (offsets \(hex(offset))…\(hex(offset &+ (size &- 1))))"
    }

    /// Why it would not answer an access to its BARs; nil if it would.
    var unreachableReason: String? {
        if isRemoved { return "the device is gone" }
        if resetDepth > 0 { return "the device is in reset" }
        if !memoryEnabled { return "memory decode is off in its command register" }
        switch power {
        case .d3hot: return "the device is in D3hot"
        case .d3cold: return "the device is in D3cold"
        default: return nil
        }
    }
}

extension Container {
    /// `c1 (vm-a)`: the container, and its opener or else the maker of its first mapping.
    func holder(_ graph: borrowing Graph) -> String {
        owner(graph).map { "\(id) (\(graph.displayName(for: $0)))" } ?? id.description
    }

    /// Its opener, or else the maker of its first mapping.
    func owner(_ graph: borrowing Graph) -> Actor? {
        if let opener, opener != Actor() { return opener }
        var mappings = graph.mappings(in: id).makeIterator()
        return mappings.next().map { graph.actor(at: $0.owner) }
    }

    /// `3 mappings (1.5 GiB)`
    func mappings(_ graph: borrowing Graph) -> String {
        let count = graph.mappingCount(in: id)
        return "\(count) mapping\(count == 1 ? "" : "s") (\(amount(graph.mappedBytes(in: id))))"
    }

    /// Whether its opener, or the opener of one of its devices, is known to be alive.
    func isHeld(_ graph: borrowing Graph) -> Bool {
        func isAlive(_ actor: Actor?) -> Bool { actor.map { $0 != Actor() && !graph.hasExited($0.process) } ?? false }
        if closed == nil, isAlive(opener) { return true }
        return graph.devices(in: self).contains { $0.isOpen && isAlive($0.opener) }
    }

    /// Whether VFIO is about to close one of its devices, which a reset can make slow, or the
    /// container is being torn down.
    func isClosing(_ graph: borrowing Graph) -> Bool {
        isTearingDown || graph.devices(in: self).contains { $0.isClosing }
    }
}

extension Event {
    /// `c1 (vm-a)`: the container of the call, and the caller.
    func caller(_ applied: borrowing Applied, _ graph: borrowing Graph) -> String {
        "\(applied.container.map(\.description) ?? "a container") (\(graph.displayName(for: actor)))"
    }
}

/// `0x1000…0x2fff`: both ends inclusive.
func range(_ iova: UInt64, _ size: UInt64) -> String {
    size == 0 ? hex(iova) : "\(hex(iova))…\(hex(lastByte(iova, size)))"
}

/// The last byte of a range that a caller passed: 2⁶⁴-1 if the range wraps, its first byte if it is
/// empty.
func lastByte(_ iova: UInt64, _ size: UInt64) -> UInt64 {
    if size == 0 { return iova }
    let (last, overflow) = iova.addingReportingOverflow(size - 1)
    return overflow ? .max : last
}

/// `1.5 GiB`
func amount(_ bytes: UInt64) -> String {
    var shift: UInt64 = 0
    for larger in [10, 20, 30, 40, 50] as [UInt64] where bytes >> larger > 0 { shift = larger }
    guard shift > 0 else { return "\(bytes) bytes" }
    let tenths = (bytes >> shift) * 10 + ((bytes & ((1 << shift) - 1)) * 10) >> shift
    let unit = ["KiB", "MiB", "GiB", "TiB", "PiB"][Int(shift / 10) - 1]
    return tenths % 10 == 0 ? "\(tenths / 10) \(unit)" : "\(tenths / 10).\(tenths % 10) \(unit)"
}

/// `EINVAL` for -22: the error that a call returned; `error -600` for one without a name.
func errorName(_ result: Int32) -> String { Errno.name(0 &- result)?.description ?? "error \(result)" }

func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
