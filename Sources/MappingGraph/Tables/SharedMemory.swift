// SPDX-License-Identifier: Apache-2.0
import Events

/// The files whose memory containers have mapped. Shared memory is recognised by its file, not page
/// by page.
///
/// For each file, a container's part is known by its first and last byte. This range shrinks only
/// when the container has no mapping of the file left. So a mapping costs a look-up and 24 bytes,
/// however scattered the memory is; but two containers that use alternate pages seem to share
/// memory.
struct SharedMemory: Sendable {
    struct FileKey: Hashable, Sendable {
        var device: UInt32
        var inode: UInt64
    }

    struct Holder: Sendable {
        var slot: Int
        /// The creator of its first mapping, see `Graph.actor(at:)`.
        var owner: UInt32
        var mappings = 0
        /// The range of bytes in the file, `end` exclusive.
        var first = UInt64.max
        var end: UInt64 = 0
    }

    struct File: Sendable {
        var key: FileKey
        var kind: Backing.Kind
        /// Seldom more than two.
        var holders: [Holder] = []
    }

    private var numbers: [FileKey: UInt32] = [:]
    /// By number. A mapping of the same file as the previous mapping needs no hash.
    private var files: [File] = []
    /// Numbers of files that no container has mapped any longer.
    private var free: [UInt32] = []
    /// The file of the previous mapping: neighbours usually have the same file.
    private var last: (key: FileKey, number: UInt32)?
    /// Files in more than one container, ascending.
    private(set) var shared: [UInt32] = []

    subscript(number: UInt32) -> File { files[Int(number)] }

    /// Records that a container has mapped a part of a file. Returns whether that changes what
    /// containers share. O(1), except for files in many containers.
    mutating func add(_ backing: Backing, size: UInt64, owner: UInt32, slot: Int) -> (file: UInt32, isNews: Bool) {
        let number = self.number(of: backing)
        let (isNews, makesShared) = files[Int(number)].add(backing.offset, size, owner: owner, slot: slot)
        if makesShared { shared.insert(number, at: shared.firstIndex { $0 > number } ?? shared.count) }
        return (number, isNews)
    }

    /// Records that mappings of a file are gone. Returns whether that changes what containers
    /// share.
    mutating func remove(_ number: UInt32, slot: Int, mappings: Int = 1) -> Bool {
        let index = Int(number)
        guard let position = files[index].holders.firstIndex(where: { $0.slot == slot }) else { return false }
        files[index].holders[position].mappings -= mappings
        guard files[index].holders[position].mappings <= 0 else { return false }
        files[index].holders.remove(at: position)
        let left = files[index].holders.count
        if left == 1 { shared.removeAll { $0 == number } }
        if left == 0 {
            numbers[files[index].key] = nil
            free.append(number)
            if last?.number == number { last = nil }
        }
        return left > 0
    }

    /// Forgets a container that no longer has mappings.
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
    /// Returns whether the container's part now overlaps another's that it did not overlap before,
    /// and whether the file thereby became shared by a second container.
    fileprivate mutating func add(_ offset: UInt64, _ size: UInt64, owner: UInt32, slot: Int) -> (
        isNews: Bool, makesShared: Bool
    ) {
        var position = holders.count - 1
        while position >= 0, holders[position].slot != slot { position -= 1 }
        let isNew = position < 0
        if isNew {
            position = holders.count
            holders.append(SharedMemory.Holder(slot: slot, owner: owner))
        }
        let before = holders[position]
        let (end, overflow) = offset.addingReportingOverflow(size)
        holders[position].mappings += 1
        holders[position].first = min(before.first, offset)
        holders[position].end = max(before.end, overflow ? .max : end)
        guard holders.count > 1 else { return (false, false) }
        let after = holders[position]
        return (
            holders.contains { $0.slot != slot && $0.overlaps(after) && !$0.overlaps(before) },
            isNew && holders.count == 2
        )
    }
}

extension SharedMemory.Holder {
    func overlaps(_ other: Self) -> Bool { first < other.end && other.first < end }
}

/// The mappings of one container that have a file, by IOVA.
struct BackedMappings: Sendable {
    /// In this index a mapping's `owner` is the file's number.
    private var index = MappingIndex()

    var isEmpty: Bool { index.isEmpty }

    mutating func insert(_ mapping: Mapping, _ file: UInt32) {
        index.insert(Mapping(iova: mapping.iova, size: mapping.size, owner: file))
    }

    /// Removes a mapping and returns its file. O(log *n*).
    mutating func remove(_ iova: UInt64) -> UInt32? { index.remove(iova)?.owner }

    /// Removes all mappings, and returns the number of mappings for each file. O(*n*).
    mutating func removeAll() -> [UInt32: Int] {
        var counts: [UInt32: Int] = [:]
        for entry in index { counts[entry.owner, default: 0] += 1 }
        index.removeAll()
        return counts
    }
}

/// Memory that two containers share.
public struct CommonMemory: Sendable, Equatable {
    public var other: ContainerID
    /// The creators of the first mapping of it, in this container and in the other.
    public var maker: Actor
    public var otherMaker: Actor
    public var kind: Backing.Kind
    public var inode: UInt64
    /// The size of the range that both may have, in bytes.
    public var bytes: UInt64
}

extension Graph {
    mutating func recordBacking(_ backing: Backing, _ mapping: Mapping, _ slot: Int, _ applied: inout Applied) {
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

    /// The memory that a container shares with containers of other owners. It is reported for the
    /// container that mapped it later. O(files in two containers or more).
    public func commonMemory(of id: ContainerID) -> [CommonMemory] {
        var found: [CommonMemory] = []
        for number in sharedMemory.shared {
            let file = sharedMemory[number]
            guard let position = file.holders.firstIndex(where: { $0.slot == Int(id.number) - 1 }) else { continue }
            let own = file.holders[position]
            for other in file.holders[..<position] where other.overlaps(own) {
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
