// SPDX-License-Identifier: Apache-2.0
import Events
@testable import Findings
import MappingGraph
@testable import Outputs

/// A finding of a mapping that leads to a device.
let staleMapping = Finding(
    id: 1, rule: "stale-mapping", severity: .high, state: .open, time: 7, container: ContainerID(1), iova: 0x1000,
    size: 4096,
    device: nic, bar: 0, barOffset: 0, reachable: true, since: 5, until: nil, actor: vmA, message: "m")

/// What an output writes of one finding, reported once for each of the reasons that a policy has
/// not to count it (nil: it counts), and at the end.
func written(_ output: some EventOutput, _ finding: Finding = staleMapping, suppressed reasons: [String?]) -> String {
    var output = output
    return text(
        ByteWriter.gather { out in
            for reason in reasons { output.finding(finding, suppressed: reason, graph: Graph(), into: &out) }
            output.end(Evidence(), graph: Graph(), into: &out)
        })
}
