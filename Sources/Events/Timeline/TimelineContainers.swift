// SPDX-License-Identifier: Apache-2.0
/// Which keys stand for the containers that a timeline names. The kernel's pointers are not in it,
/// so the reader makes up keys that are equal and different where the pointers were.
///
/// `cN` is `ContainerKey(N)` and `IOMMUKey(N)`, with three exceptions. A container that replaces
/// another has the key of that one, because the kernel had reused the pointer; one that absorbs
/// another gets that one's descriptor; one that is set up anew has a new IOMMU side.
struct TimelineContainers {
    struct Keys {
        var container: ContainerKey
        var iommu: IOMMUKey
        /// A line has named it by its descriptor, not only by its mappings.
        var isNamed = false
        /// It has an IOMMU side.
        var isLinked = false
        /// How many IOMMU sides it has had.
        var sides: UInt64 = 0

        init(_ number: UInt32) {
            container = ContainerKey(UInt64(number))
            iommu = IOMMUKey(UInt64(number))
        }
    }

    private var keys: [UInt32: Keys] = [:]
    /// The container that was looked up last, and its IOMMU side; 0 for none.
    private var cached: UInt32 = 0
    private var cachedIOMMU = IOMMUKey(0)
    private var isCachedLinked = false

    /// The IOMMU side of a container, for a line that tells no more about it; key 0, which nothing
    /// else has, for nil. O(1), without hashing for the container that was looked up last.
    @inline(__always)
    mutating func iommu(_ number: UInt32?) -> IOMMUKey {
        guard let number else { return IOMMUKey(0) }
        if number != cached || number == 0 { remember(number) }
        return cachedIOMMU
    }

    /// The same for a line from which a container can be inferred: it has an IOMMU side from then
    /// on.
    @inline(__always)
    mutating func mapped(_ number: UInt32?) -> IOMMUKey {
        guard let number else { return IOMMUKey(0) }
        if number != cached || !isCachedLinked {
            self[number].isLinked = true
            remember(number)
        }
        return cachedIOMMU
    }

    private mutating func remember(_ number: UInt32) {
        let found = self[number]
        cached = number
        cachedIOMMU = found.iommu
        isCachedLinked = found.isLinked
    }

    subscript(number: UInt32) -> Keys {
        get { keys[number] ?? Keys(number) }
        _modify {
            cached = 0
            yield &keys[number, default: Keys(number)]
        }
    }

    /// A container opens; with the key of the one that it replaces.
    mutating func open(_ number: UInt32, replaces old: UInt32?) -> ContainerKey {
        if let old {
            let key = self[old].container
            self[old].isLinked = false
            self[number].container = key
        }
        self[number].isNamed = true
        return self[number].container
    }

    /// A snapshot found a container; with the IOMMU side that it has already, or without any.
    mutating func found(_ number: UInt32, isLinked: Bool) -> Keys {
        self[number].isNamed = true
        if isLinked {
            self[number].isLinked = true
            self[number].sides = max(1, self[number].sides)
        }
        return self[number]
    }

    /// A container is bound to an IOMMU side.
    mutating func link(_ number: UInt32, absorbs other: UInt32?, replaces old: UInt32?) -> Keys {
        var found = self[number]
        if let other {
            found.container = self[other].container
        } else if let old {
            found.iommu = self[old].iommu
            self[old].isLinked = false
        } else if found.isNamed || !found.isLinked {
            // Not the first: a new one, for the old one may be in use still.
            if found.sides > 0 || found.isLinked { found.iommu = IOMMUKey(UInt64(number) | (found.sides + 1) << 32) }
        }
        found.isNamed = true
        found.isLinked = true
        found.sides += 1
        self[number] = found
        return found
    }
}
