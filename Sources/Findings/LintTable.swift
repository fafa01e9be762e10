// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Lints that have been reported, and how often they have happened since. They end with their
/// container's IOMMU side.
struct LintTable: Sendable {
    struct Key: Hashable, Sendable {
        var rule: Int
        var container: ContainerID
        var kind: Int32
    }

    private var entries: [Key: (finding: Finding, last: UInt64)] = [:]
    /// When a container with lints got its IOMMU side.
    private var linked: [ContainerID: UInt64] = [:]

    var findings: [Finding] { entries.values.map(\.finding) }

    /// Counts a call whose lint has been reported; false if it has not. O(1).
    mutating func count(_ key: Key, at time: UInt64) -> Bool {
        guard entries[key] != nil else { return false }
        entries[key]!.finding.occurrences! += 1
        entries[key]!.last = time
        return true
    }

    /// Keeps a lint that is reported now. `linked` is when its container got its IOMMU side.
    mutating func open(_ key: Key, _ finding: Finding, linked time: UInt64) {
        entries[key] = (finding, finding.since)
        linked[key.container] = time
    }

    /// Containers whose IOMMU side is gone, ascending.
    func ended(_ graph: borrowing Graph) -> [ContainerID] {
        var ids: [ContainerID] = []
        for (id, time) in linked where graph.container(id)?.linked != time { ids.append(id) }
        return ids.sorted()
    }

    /// Removes a container's lints and returns them resolved, by id.
    mutating func close(_ id: ContainerID, at time: UInt64) -> [Finding] {
        linked[id] = nil
        var ended: [Finding] = []
        for (key, entry) in entries where key.container == id {
            entries[key] = nil
            var finding = entry.finding
            finding.state = .resolved
            finding.time = time
            finding.until = entry.last
            let count = finding.occurrences ?? 1
            finding.message += count == 1 ? " It happened once." : " It happened \(count) times."
            ended.append(finding)
        }
        return ended.sorted { $0.id < $1.id }
    }
}
