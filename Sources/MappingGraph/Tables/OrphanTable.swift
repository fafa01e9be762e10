// SPDX-License-Identifier: Apache-2.0
import Events

/// Removals of mappings that the graph did not know. The `map` event of such a mapping may arrive
/// later.
///
/// The kernel reports a map when its ioctl returns, after `iommu->lock` was dropped; another thread
/// may have removed the mapping in between (`vfio_dma_do_unmap`, all versions). In that case the
/// removal arrives first, and without this table the mapping would stay in the graph forever.
struct OrphanTable: Sendable {
    private struct Key: Hashable {
        var iommu: IOMMUKey
        var iova: UInt64
    }

    static let capacity = 4096
    /// No map call takes longer than this from its first page to its return.
    static let horizonNanoseconds: UInt64 = 60_000_000_000

    private var times: [Key: UInt64] = [:]

    /// The time of the latest removal.
    private(set) var latest: UInt64 = 0

    var isEmpty: Bool { times.isEmpty }
    var count: Int { times.count }

    /// O(1), except for a clean-up after every few thousand removals.
    mutating func insert(iommu: IOMMUKey, iova: UInt64, time: UInt64) {
        if times.count >= Self.capacity { prune(now: time) }
        times[Key(iommu: iommu, iova: iova)] = time
        latest = max(latest, time)
    }

    /// Whether a mapping that began at `began` has been removed. If so, forgets the removal. O(1).
    mutating func consume(iommu: IOMMUKey, iova: UInt64, began: UInt64) -> Bool {
        let key = Key(iommu: iommu, iova: iova)
        guard let time = times[key], began <= time else { return false }
        times[key] = nil
        return true
    }

    private mutating func prune(now: UInt64) {
        times = times.filter { now < $0.value || now - $0.value <= Self.horizonNanoseconds }
        guard times.count >= Self.capacity / 2 else { return }
        let middle = times.values.sorted()[times.count / 2]
        times = times.filter { $0.value > middle }
    }
}
