import ArgumentParser
import Events
import Findings
import Glibc
import MappingGraph
import Outputs
import Policies

struct Audit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Judge recordings and JSON timelines.",
        discussion:
            "Ends with 1 when a finding is at or above --fail-on, and with 4 when nothing is but the evidence is "
            + "incomplete."
    )

    @OptionGroup var failOn: FailOnOption
    @OptionGroup var policy: PolicyOption
    @Option(help: "text for the findings alone, or jsonl for the whole JSON timeline.") var format: StreamFormat = .text
    @Argument(help: "Recordings or timelines; - is stdin.") var files: [String]

    func run() throws {
        let decided = try policy.load()
        var use = decided.map { PolicyUse($0) }
        var worst: ExitStatus = .clean
        // Stdin has one reader.
        let threads = files.contains("-") ? 1 : min(files.count, OrderedWork.processors)
        try OrderedWork.run(files.count, threads: threads) { index, awaitTurn in
            let (status, did) = try audit(files[index], decided, awaitTurn)
            if let did { use?.add(did) }
            // 1 beats 4 beats 0.
            if status == .findings || worst == .clean { worst = status }
        }
        policy.explain(use, decided, tellsUnused: true)
        throw worst
    }

    /// Judges one file, beside others. What it tells is told at its turn, which it has when it
    /// returns.
    private func audit(_ path: String, _ policy: Policy?, _ awaitTurn: @escaping () -> Void) throws -> (
        ExitStatus, PolicyUse?
    ) {
        let file = try InputFile(path)
        defer { file.unmap() }
        let sink = OutputSink(STDOUT_FILENO, name: "stdout", awaitTurn: awaitTurn)
        // A file that turns out to be unreadable half-way has told what it told.
        defer { sink.takeTurn() }
        let analysis = Analysis(output: format == .jsonl ? format.makeOutput(sink) : nil, policy: policy)
        var findings = LatestFindings()
        analysis.onFinding = { findings.note($0) }
        let (session, seen) = try file.feed(analysis)
        let evidence = analysis.finish(seen)
        let verdict = Verdict(
            analysis, worst: analysis.tally.worst, evidence: evidence, session: session,
            requiresComplete: failOn.requireComplete)
        if format == .text {
            if files.count > 1 { sink.write("\(file.path)\n") }
            FindingList.write(findings.all, session: session, graph: analysis.graph, to: sink)
            let summary = analysis.tally.summary
            sink.write(
                "\(analysis.tally.events) events, \(analysis.tally.maps) mappings made: "
                    + "\(summary.isEmpty ? "no findings" : summary)"
                    + (evidence.isComplete
                        ? "\n" : evidence.defects.isEmpty ? ", on evidence with gaps\n" : ", on incomplete evidence\n"))
        }
        try sink.finish()
        verdict.explainEvidence(of: files.count > 1 ? file.path : nil)
        return (verdict.status(failOn: failOn.severity), analysis.judge?.use)
    }
}
