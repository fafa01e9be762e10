import Events
@testable import Findings
import MappingGraph
import Testing
@testable import Outputs

/// What a policy suppresses is marked, and does not count.
@Suite struct SuppressionTests {
    private let finding = Finding(
        id: 1, rule: "stale-mapping", severity: .high, state: .open, time: 7, container: ContainerID(1), iova: 0x1000,
        size: 4096,
        device: nic, bar: 0, barOffset: 0, reachable: true, since: 5, until: nil, actor: vmA, message: "m")

    private func write(_ output: some EventOutput, _ reasons: [String?]) -> String {
        var output = output
        return String(
            decoding: ByteWriter.gather { out in
                for reason in reasons { output.finding(finding, suppressed: reason, graph: Graph(), into: &out) }
                output.end(Evidence(), graph: Graph(), into: &out)
            }, as: UTF8.self)
    }

    @Test func inTheTimeline() {
        let marked = write(JSONLines(options: OutputOptions()), ["a \"b\""])
        #expect(
            marked.contains(#","suppressed":"a \"b\"","message":"m"}"#)
                && marked.contains(#""high":0,"critical":0},"suppressed":1,"attempted""#))
        let counted = write(JSONLines(options: OutputOptions()), ["a", nil, "a"])
        #expect(counted.contains(#""high":1,"critical":0},"attempted""#))
    }

    @Test func inText() {
        let marked = write(TextLines(options: OutputOptions()), ["JIRA-1"])
        #expect(
            marked.contains("  -- HIGH stale-mapping f1") && marked.contains("suppressed by the policy: JIRA-1\n")
                && marked.contains("No findings; "))
        #expect(write(TextLines(options: OutputOptions()), [nil]).contains("  !! HIGH stale-mapping f1"))
    }
}
