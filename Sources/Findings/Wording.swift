import Events
import MappingGraph

/// The parts of sentences that rules share.
extension Exposure {
    /// `BAR 0 of 0000:02:00.0`, or a part of it by its offsets, the last one included.
    var place: String {
        let name = target.bar == 6 ? "The expansion ROM of \(device.address)" : "BAR \(target.bar) of \(device.address)"
        let size = target.bar < 7 ? device.info.bars[Int(target.bar)].size : 0
        if target.barOffset == 0, target.size == size { return name }
        return "\(name) (offsets \(hex(target.barOffset))…\(hex(target.barOffset &+ (target.size &- 1))))"
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

    /// Why a DMA would not be answered, or nil.
    var unreachableReason: String? {
        if device.isRemoved { return "the device is gone" }
        if device.resetDepth > 0 { return "the device is in reset" }
        if !device.memoryEnabled { return "memory decode is off in its command register" }
        switch device.power {
        case .d3hot: return "the device is in D3hot"
        case .d3cold: return "the device is in D3cold"
        default: return nil
        }
    }

    /// The mapping's IOVA for a sentence.
    var at: String { "at IOVA \(hex(target.iova))" }
}

func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
