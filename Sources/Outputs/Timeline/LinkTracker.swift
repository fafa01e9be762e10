// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// How containers and their IOMMU sides came together, as far as a timeline must contain it so that
/// a reader can rebuild the same graph.
///
/// In an ordinary trace a container opens, is set up and is released, and none of this is needed.
/// Where records were lost, the graph concludes that a container is gone because its pointer was
/// reused, or that two containers are one. This tracker remembers enough to name the other one.
struct LinkTracker: Sendable {
    struct Link: Sendable, Equatable {
        /// The container that turned out to be this one: it was known by its descriptor, this one
        /// by its mappings.
        var absorbs: ContainerID?
        /// The container that had this one's IOMMU side, and lost it unseen.
        var replaces: ContainerID?
    }

    private struct Side {
        var container: ContainerID
        var isLive: Bool
    }

    private var sides: [IOMMUKey: Side] = [:]
    private var sideOf: [ContainerID: IOMMUKey] = [:]
    private var byKey: [ContainerKey: ContainerID] = [:]

    /// The container that an IOMMU side belonged to last, whether it still does or not. O(1).
    func lastContainer(of iommu: IOMMUKey) -> ContainerID? { sides[iommu]?.container }

    /// An IOMMU side appears whose pointer had been another's: returns the container of that one,
    /// if it has not been released.
    mutating func reopen(_ iommu: IOMMUKey) -> ContainerID? {
        guard let side = sides[iommu], side.isLive else { return nil }
        forget(iommu)
        return side.container
    }

    mutating func release(_ iommu: IOMMUKey) { forget(iommu) }

    /// A container was inferred from its IOMMU side.
    mutating func infer(_ container: ContainerID, from iommu: IOMMUKey) { join(container, iommu) }

    /// A container was opened or named by its key; returns the one that had the key before and was
    /// not closed, if there is one.
    mutating func open(_ container: ContainerID, _ key: ContainerKey) -> ContainerID? {
        let old = byKey.updateValue(container, forKey: key)
        guard let old, old != container else { return nil }
        if let side = sideOf[old] { forget(side) }
        return old
    }

    /// Forgets the key of a dead container. The next container with that key then replaces nothing.
    mutating func retire(_ container: Container) {
        if !container.isAlive, let key = container.key, byKey[key] == container.id { byKey[key] = nil }
    }

    /// Whether, by the lines so far, a container has this IOMMU side. O(1).
    func isLinked(_ container: ContainerID, to iommu: IOMMUKey) -> Bool {
        sides[iommu].map { $0.isLive && $0.container == container } ?? false
    }

    /// Forgets what the graph no longer has: a snapshot ended, and what it did not find is gone.
    /// O(all IOMMU sides and containers that there have been).
    mutating func settle(_ graph: borrowing Graph) {
        for (iommu, side) in sides where side.isLive && graph.container(side.container)?.iommu != iommu {
            forget(iommu)
        }
        byKey = byKey.filter { graph.container(for: $0.key)?.id == $0.value }
    }

    /// A container was bound to its IOMMU side.
    mutating func link(_ container: Container) -> Link {
        var link = Link()
        guard let iommu = container.iommu else { return link }
        if let side = sides[iommu], side.isLive {
            if side.container != container.id {
                link.replaces = side.container
                forget(iommu)
            } else if let key = container.key, let other = byKey[key], other != container.id {
                link.absorbs = other
            }
        }
        if let key = container.key { byKey[key] = container.id }
        join(container.id, iommu)
        return link
    }

    private mutating func join(_ container: ContainerID, _ iommu: IOMMUKey) {
        if let old = sideOf[container], old != iommu { sides[old]?.isLive = false }
        sideOf[container] = iommu
        sides[iommu] = Side(container: container, isLive: true)
    }

    private mutating func forget(_ iommu: IOMMUKey) {
        guard let container = sides[iommu]?.container else { return }
        sides[iommu]?.isLive = false
        if sideOf[container] == iommu { sideOf[container] = nil }
    }
}
