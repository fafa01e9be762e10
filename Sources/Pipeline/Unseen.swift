// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// What can be in force although the graph does not show it, one sentence each: silence must never
/// mean unseen. O(uses of iommufd).
func unseen(_ graph: borrowing Graph) -> [String] {
    var defects: [String] = []
    let unknown = graph.unknownTargets
    if unknown > 0 {
        defects.append(
            "it is unknown where \(unknown) mapping\(unknown == 1 ? " leads" : "s lead"), which existed before tracing "
                + "began: the IOMMU's page tables could not be read (vfioscope doctor shows why)")
    }
    return defects + unseenUses(graph) { _ in true }
}

/// The uses of iommufd by the processes that `isWanted` accepts, as they stand among the defects of
/// the evidence. O(uses).
package func unseenUses(_ graph: borrowing Graph, by isWanted: (ProcessKey) -> Bool) -> [String] {
    var defects: [String] = []
    for use in graph.iommufdUses where isWanted(use.opener.process) { defects.append(sentence(use, graph)) }
    return defects
}

private func sentence(_ use: IOMMUFDUse, _ graph: borrowing Graph) -> String {
    let user =
        use.opener == Actor() ? "" : " by \(graph.displayName(for: use.opener)) (pid \(use.opener.process.pid))"
    return "\(use.device) is used\(user) through iommufd, which is not traced: its mappings are unknown"
}
