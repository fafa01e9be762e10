// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// What can be in force although the graph does not show it, one sentence each: silence must never
/// mean unseen. O(uses of iommufd).
///
/// - Parameter counts: whether what this process does with iommufd matters to the caller.
package func unseen(_ graph: borrowing Graph, counts: (ProcessKey) -> Bool = { _ in true }) -> [String] {
    var defects: [String] = []
    let unknown = graph.unknownTargets
    if unknown > 0 {
        defects.append(
            "it is unknown where \(unknown) mapping\(unknown == 1 ? " leads" : "s lead"), which existed before tracing "
                + "began: the IOMMU's page tables could not be read (vfioscope doctor shows why)")
    }
    for use in graph.iommufdUses where counts(use.opener.process) { defects.append(sentence(use, graph)) }
    return defects
}

/// The defects of those uses of iommufd that do not count.
package func unseen(_ graph: borrowing Graph, outside counts: (ProcessKey) -> Bool) -> [String] {
    var defects: [String] = []
    for use in graph.iommufdUses where !counts(use.opener.process) { defects.append(sentence(use, graph)) }
    return defects
}

private func sentence(_ use: IOMMUFDUse, _ graph: borrowing Graph) -> String {
    let user =
        use.opener == Actor() ? "" : " by \(graph.displayName(for: use.opener)) (pid \(use.opener.process.pid))"
    return "\(use.device) is used\(user) through iommufd, which is not traced: its mappings are unknown"
}
