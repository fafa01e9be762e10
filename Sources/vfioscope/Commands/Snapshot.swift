import ArgumentParser
import Events
import Glibc
import Kernel
import MappingGraph
import Outputs

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
        let analysis = Analysis(output: format == .jsonl ? StreamFormat.jsonl.makeOutput(sink) : nil)
        let tracer = Tracer(toolVersion: toolVersion)
        var decoder = RecordDecoder()
        tracer.onRecord = { record, count in
            analysis.consume(record, count: count, &decoder)
        }
        // Hooks first, present state second: what happens in between is seen by one of them at
        // least.
        do { try tracer.start() } catch { throw Failure(.cannot, error.description) }
        guard tracer.hasVFIO else {
            throw Failure(.cannot, TracerError.noVFIO(release: tracer.session.kernel).description)
        }
        analysis.begin(tracer.session)
        tracer.scanDevices()
        do { try tracer.takeSnapshot(for: analysis) } catch { throw Failure(.cannot, error.description) }
        tracer.lookForKeptBars()
        let session = tracer.session
        let evidence = analysis.finish(tracer.stop())
        if format != .jsonl {
            var out = ByteWriter { sink.write($0) }
            let name = format == .text ? "list" : format.rawValue
            FormatRegistry.graph(name)!.write(
                analysis.graph, findings: analysis.engine.openFindings, at: evidence.ended, session: session, into: &out
            )
            out.flush()
        }
        try sink.finish()
        let verdict = Verdict(analysis, worst: nil, evidence: evidence, session: session)
        if !evidence.isComplete { verdict.explainEvidence() }
        throw verdict.status(failOn: .critical)
    }
}
