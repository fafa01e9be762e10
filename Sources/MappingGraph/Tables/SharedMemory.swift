import Events

/// Which containers have memory of which file mapped, for memory that is shared: RAM is told by its
/// file, not page by page.
///
/// Of a file, each container's part is known by its first and last byte, which shrink only when the
/// container has none of it left. So a mapping costs a look-up and 24 bytes, however scattered the
/// memory is, and two containers that use every other page look as if they shared.
struct SharedMemory: Sendable {
    struct FileKey: Hashable, Sendable {
        var device: UInt32
        var inode: UInt64
    }

    struct Holder: Sendable {
        var slot: Int
        /// Who made the first of its mappings, see `Graph.actor(at:)`.
        var owner: UInt32
        var mappings = 0
        /// Bytes of the file, `end` exclusive.
        var first = UInt64.max
        var end: UInt64 = 0
    }

    struct File: Sendable {
        var key: FileKey
        var kind: Backing.Kind
        /// Hardly ever more than two.
        var holders: [Holder] = []
    }

    private var numbers: [FileKey: UInt32] = [:]
    /// By number: no hash for a mapping of the file that the one before had.
    private var files: [File] = []
    /// Numbers of files that nobody has any more.
    private var free: [UInt32] = []
    /// The file of the mapping before: neighbours mostly have the same.
    private var last: (key: FileKey, number: UInt32)?
    /// Files in more than one container, ascending.
    private(set) var shared: [UInt32] = []

    subscript(number: UInt32) -> File { files[Int(number)] }

    /// A container has mapped a part of a file; says whether it is news to those who share it. O(1)
    /// but for files in many containers.
    mutating func add(_ backing: Backing, size: UInt64, owner: UInt32, slot: Int) -> (file: UInt32, isNews: Bool) {
        let number = self.number(of: backing)
        let (isNews, makesShared) = files[Int(number)].add(backing.offset, size, owner: owner, slot: slot)
        if makesShared { shared.insert(number, at: shared.firstIndex { $0 > number } ?? shared.count) }
        return (number, isNews)
    }

    /// A mapping of a part of a file is gone; says whether that is news to those who share it.
    mutating func remove(_ number: UInt32, slot: Int, mappings: Int = 1) -> Bool {
        let index = Int(number)
        guard let at = files[index].holders.firstIndex(where: { $0.slot == slot }) else { return false }
        files[index].holders[at].mappings -= mappings
        guard files[index].holders[at].mappings <= 0 else { return false }
        files[index].holders.remove(at: at)
        let left = files[index].holders.count
        if left == 1 { shared.removeAll { $0 == number } }
        if left == 0 {
            numbers[files[index].key] = nil
            free.append(number)
            if last?.number == number { last = nil }
        }
        return left > 0
    }

    /// The container has no mappings any more.
    mutating func forget(_ slot: Int, _ backed: inout BackedMappings) {
        for (file, mappings) in backed.removeAll() { _ = remove(file, slot: slot, mappings: mappings) }
    }

    private mutating func number(of backing: Backing) -> UInt32 {
        let key = FileKey(device: backing.device, inode: backing.inode)
        if let last, last.key == key { return last.number }
        let number = numbers[key] ?? open(File(key: key, kind: backing.kind))
        last = (key, number)
        return number
    }

    private mutating func open(_ file: File) -> UInt32 {
        let number = free.popLast() ?? UInt32(files.count)
        if Int(number) == files.count { files.append(file) } else { files[Int(number)] = file }
        numbers[file.key] = number
        return number
    }
}

extension SharedMemory.File {
    /// Whether the part now has something in common with another's that it had not, and whether a
    /// second container has the file by that.
    fileprivate mutating func add(_ offset: UInt64, _ size: UInt64, owner: UInt32, slot: Int) -> (
        isNews: Bool, makesShared: Bool
    ) {
        var at = holders.count - 1
        while at >= 0, holders[at].slot != slot { at -= 1 }
        let isNew = at < 0
        if isNew {
            at = holders.count
            holders.append(SharedMemory.Holder(slot: slot, owner: owner))
        }
        let before = holders[at]
        let (end, overflow) = offset.addingReportingOverflow(size)
        holders[at].mappings += 1
        holders[at].first = min(before.first, offset)
        holders[at].end = max(before.end, overflow ? .max : end)
        guard holders.count > 1 else { return (false, false) }
        let after = holders[at]
        return (
            holders.contains { $0.slot != slot && $0.overlaps(after) && !$0.overlaps(before) },
            isNew && holders.count == 2
        )
    }
}

extension SharedMemory.Holder {
    func overlaps(_ other: Self) -> Bool { first < other.end && other.first < end }
}

/// Which mappings of one container have which file, by IOVA.
struct BackedMappings: Sendable {
    /// A mapping's `owner` is the file's number here.
    private var index = MappingIndex()

    var isEmpty: Bool { index.isEmpty }

    mutating func insert(_ mapping: Mapping, _ file: UInt32) {
        index.insert(Mapping(iova: mapping.iova, size: mapping.size, owner: file))
    }

    /// The file of a mapping, which is forgotten with that. O(log *n*).
    mutating func remove(_ iova: UInt64) -> UInt32? { index.remove(iova)?.owner }

    /// Files with how many mappings they had. O(*n*).
    mutating func removeAll() -> [UInt32: Int] {
        var counts: [UInt32: Int] = [:]
        for entry in index { counts[entry.owner, default: 0] += 1 }
        index.removeAll()
        return counts
    }
}

/// Memory that two containers have in common.
public struct CommonMemory: Sendable, Equatable {
    public var other: ContainerID
    /// Who made the first mapping of it, here and there.
    public var maker: Actor
    public var otherMaker: Actor
    public var kind: Backing.Kind
    public var inode: UInt64
    /// Bytes from the first to the last that both may have.
    public var bytes: UInt64
}

extension Graph {
    mutating func noteBacking(_ backing: Backing, _ mapping: Mapping, _ slot: Int, _ applied: inout Applied) {
        let (file, isNews) = sharedMemory.add(backing, size: mapping.size, owner: mapping.owner, slot: slot)
        slots[slot].backed.insert(mapping, file)
        if isNews { applied.containerChange = .state }
    }

    mutating func forgetBacking(_ mapping: Mapping, _ slot: Int, _ applied: inout Applied) {
        guard !slots[slot].backed.isEmpty, let file = slots[slot].backed.remove(mapping.iova) else { return }
        if sharedMemory.remove(file, slot: slot) {
            applied.containerChange = .state
        }
    }

    /// Memory that a container has in common with another, of another owner; told of the one that
    /// had it later. O(files in two containers or more).
    public func commonMemory(of id: ContainerID) -> [CommonMemory] {
        var found: [CommonMemory] = []
        for number in sharedMemory.shared {
            let file = sharedMemory[number]
            guard let at = file.holders.firstIndex(where: { $0.slot == Int(id.number) - 1 }) else { continue }
            let own = file.holders[at]
            for other in file.holders[..<at] where other.overlaps(own) {
                let maker = actor(at: own.owner), otherMaker = actor(at: other.owner)
                guard !isSamePrincipal(maker, otherMaker) else { continue }
                found.append(
                    CommonMemory(
                        other: slots[other.slot].container.id, maker: maker, otherMaker: otherMaker, kind: file.kind,
                        inode: file.key.inode,
                        bytes: min(own.end, other.end) - max(own.first, other.first)))
            }
        }
        return found
    }
}
