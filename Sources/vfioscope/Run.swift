// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Glibc
import Pipeline
import Policies

/// `run`: runs a command and judges what it did with VFIO, as a gate for CI.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command and judge what it did with VFIO: a gate for CI.",
        usage:
            "vfioscope run [--fail-on SEVERITY] [--policy FILE] [--scope command|host] [--timeline FILE] [--recording "
            + "FILE] -- COMMAND …",
        discussion: """
            The whole host is traced. The verdict counts findings in which a process of the command's tree owns the \
            mapping or the device; --scope host counts all findings. Without counted findings, the exit status is the \
            command's.
            """)

    enum Scope: String, ExpressibleByArgument, CaseIterable { case command, host }

    @OptionGroup var failOn: FailOnOption
    @OptionGroup var policy: PolicyOption
    @OptionGroup var tracing: TracingOptions
    @Option(help: "Which findings count: those of the command, or all on the host.") var scope: Scope = .command
    @Option(help: ArgumentHelp("Also write the JSON timeline to this file.", valueName: "file")) var timeline: String?
    @Option(help: ArgumentHelp("Also write a recording to this file.", valueName: "file")) var recording: String?
    @Argument(parsing: .postTerminator, help: "The command.") var command: [String] = []

    mutating func validate() throws {
        if command.isEmpty {
            throw ValidationError("no command: write it after --, as in vfioscope run -- ./their-test")
        }
    }

    func run() throws {
        let decided = try policy.load()
        let sink = try timeline.map { try OutputSink(path: $0) }
        let live = LiveTracing(
            recording: try recording.map { try openRecording($0) }, options: tracing.options(followsChildren: true),
            command: command)
        sink?.onFailure = { live.fail($0) }

        var all: [JudgedFinding] = []
        let analysis = Analysis(
            output: sink.map { StreamFormat.jsonl.makeOutput($0) }, onFinding: { all.append($0) })
        var pipeline = AnalysisPipeline(observer: analysis, policy: decided?.policy)
        let evidence = try live.run(&pipeline)

        // If a fork was lost, it is unknown which processes belong to the command: then all
        // findings count.
        let lostForks = live.tracer.losses.contains { $0.name == "process fork" || $0.name == "on_fork" }
        if lostForks, scope == .command {
            printLine(
                "vfioscope: a fork was lost, so the command's processes are not all known: the findings of the whole "
                    + "host count"
            )
        }
        let tree = live.tracer.commandTree
        let countsAll = scope == .host || lostForks
        var judged = CommandScope { countsAll || tree.contains($0.process) }
        for finding in all { judged.count(finding) }

        // Findings go to stderr, because stdout belongs to the command.
        let text = OutputSink(STDERR_FILENO, name: "stderr")
        if !judged.findings.all.isEmpty {
            FindingList.write(judged.findings.all, session: live.session, graph: pipeline.graph, to: text)
        }
        let tally = pipeline.observer.tally
        tally.report(lost: evidence.lost)
        decided?.explain(pipeline.policyUse, reportsUnused: true)
        // What others do through iommufd makes the host's evidence incomplete, not the command's.
        var own = evidence
        let others = unseenUses(pipeline.graph) { !countsAll && !tree.contains($0) }
        own.defects.removeAll { others.contains($0) }
        for other in others { printLine("vfioscope: \(other) (not the command's: --scope host counts it)") }
        let verdict = Verdict(
            pipeline, worst: judged.tally.worst, evidence: own, session: live.session,
            requiresComplete: failOn.requireComplete)
        verdict.explainEvidence()
        let uncounted = tally.findings.count - judged.tally.findings.count
        if uncounted > 0 {
            printLine(
                "vfioscope: \(uncounted) finding\(uncounted == 1 ? " concerns" : "s concern") other processes and "
                    + "do\(uncounted == 1 ? "es" : "") not count (--scope host counts them)"
            )
        }
        let status = verdict.status(failOn: failOn.severity)
        if status == .findings { throw status }
        if let code = live.commandStatus, code != 0 { throw ExitStatus.command(code) }
        throw status
    }
}
