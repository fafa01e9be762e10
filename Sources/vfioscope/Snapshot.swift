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
            Containers, groups, open devices and every DMA mapping, read from the kernel's own structs; where a \
            mapping leads is read off the
            IOMMU's page table (Intel VT-d), so the target is known even when the process has unmapped it.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case text, jsonl, json, dot, svg }

    @Option(help: "text for people, json for one document, jsonl for the JSON timeline, dot or svg for a picture.")
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
