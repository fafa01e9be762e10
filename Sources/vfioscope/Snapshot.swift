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
        abstract: "Show the present state of a host that was never traced.",
        discussion: """
            Shows containers, groups, open devices and all DMA mappings, read from the kernel's own structs. Where a \
            mapping leads is read from the IOMMU's page table (Intel VT-d), so the target is known even if the process \
            has unmapped it.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case text, jsonl, json, dot, svg }

    @Option(help: "text: a list; json: one document; jsonl: the JSON timeline; dot or svg: a picture.")
    var format: Format = .text

    func run() throws {
        let sink = OutputSink(STDOUT_FILENO, name: "stdout")
        let lines = format == .jsonl ? StreamFormat.jsonl.makeOutput(sink) : nil
        var pipeline = AnalysisPipeline(observer: Analysis(output: lines))
        var producer = SnapshotProducer()
        let evidence = pipeline.finish(try producer.produce(into: &pipeline, until: .max))
        if format != .jsonl {
            let picture = FormatRegistry.graph(format == .text ? "list" : format.rawValue)!
            sink.write(picture, of: pipeline, at: evidence.ended, session: producer.session)
        }
        try sink.finish()
        let verdict = Verdict(pipeline, worst: nil, evidence: evidence, session: producer.session)
        if !evidence.isComplete { verdict.explainEvidence() }
        throw verdict.status(failOn: .critical)
    }
}
