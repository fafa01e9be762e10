// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Glibc
import Outputs
import Pipeline

/// `snapshot`: shows the present state of a host.
struct Snapshot: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Show and judge the present state of this host, traced before or not.",
        discussion: """
            Shows findings, then containers, groups, open devices and all DMA mappings, read from the kernel's own \
            structs. Where a mapping leads is read from the IOMMU's page table (Intel VT-d), so the target is known \
            even if the process has unmapped it. What looks like a finding is watched for the debounce (0.5 s), \
            because it may be part of a teardown. Exits with 1 if a finding is at or above --fail-on. Otherwise exits \
            with 4 if the evidence is incomplete.
            """)

    @OptionGroup var failOn: FailOnOption
    @OptionGroup var policy: PolicyOption

    enum Format: String, ExpressibleByArgument, CaseIterable { case text, jsonl, json, dot, svg }

    @Option(help: "text: a list; json: one document; jsonl: the JSON timeline; dot or svg: a picture.")
    var format: Format = .text

    func run() throws {
        let decided = try policy.load()
        let sink = OutputSink(STDOUT_FILENO, name: "stdout")
        let lines = format == .jsonl ? StreamFormat.jsonl.makeOutput(sink) : nil
        var findings = LatestFindings()
        let analysis = Analysis(output: lines, onFinding: { findings.record($0) })
        var pipeline = AnalysisPipeline(observer: analysis, policy: decided?.policy)
        var producer = SnapshotProducer()
        let evidence = pipeline.finish(try producer.produce(into: &pipeline, until: .max))
        let tally = pipeline.observer.tally
        if format == .text {
            FindingList.write(findings.all, session: producer.session, graph: pipeline.graph, to: sink)
            sink.write("\(tally.summary.isEmpty ? "no findings" : "findings: \(tally.summary)")\n\n")
        }
        if format != .jsonl {
            let picture = FormatRegistry.graph(format == .text ? "list" : format.rawValue)!
            sink.write(picture, of: pipeline, at: evidence.ended, session: producer.session)
        }
        try sink.finish()
        decided?.explain(pipeline.policyUse, reportsUnused: false)
        let verdict = Verdict(
            pipeline, worst: tally.worst, evidence: evidence, session: producer.session,
            requiresComplete: failOn.requireComplete)
        if !evidence.isComplete { verdict.explainEvidence() }
        throw verdict.status(failOn: failOn.severity)
    }
}
