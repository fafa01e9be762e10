import ArgumentParser
import Commands
import Glibc
import Pipeline
import Policies

/// `run`: runs a command and judges what it did, a gate for CI.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command and judge what it did with VFIO: a gate for CI.",
        usage:
            "vfioscope run [--fail-on SEVERITY] [--policy FILE] [--scope command|host] [--timeline FILE] [--recording "
            + "FILE] -- COMMAND …",
        discussion: """
            The whole host is watched. The verdict counts the findings that involve a process of the command's tree \
            as owner of the mapping
            or of the device; --scope host counts all. Without such a finding the exit status is the command's own.
            """)

    enum Scope: String, ExpressibleByArgument, CaseIterable { case command, host }

    @OptionGroup var failOn: FailOnOption
    @OptionGroup var policy: PolicyOption
    @OptionGroup var tracing: TracingOptions
    @Option(help: "Whose findings count: the command's, or all of the host.") var scope: Scope = .command
    @Option(help: ArgumentHelp("Write the JSON timeline here too.", valueName: "file")) var timeline: String?
    @Option(help: ArgumentHelp("Write a recording here too.", valueName: "file")) var recording: String?
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

        // Whose child a process is cannot be known when the fork was lost: then everything counts.
        let lostForks = live.tracer.losses.contains { $0.name == "process fork" || $0.name == "on_fork" }
        if lostForks, scope == .command {
            say(
                "vfioscope: a fork was lost, and with it who belongs to the command: the findings of the whole host "
                    + "count"
            )
        }
        let tree = live.tracer.commandTree
        let countsAll = scope == .host || lostForks
        var judged = CommandScope { countsAll || tree.contains($0.process) }
        for finding in all { judged.count(finding) }

        // To stderr: stdout is the command's.
        let text = OutputSink(STDERR_FILENO, name: "stderr")
        if !judged.findings.all.isEmpty {
            FindingList.write(judged.findings.all, session: live.session, graph: pipeline.graph, to: text)
        }
        let tally = pipeline.observer.tally
        report(tally, evidence)
        decided?.explain(pipeline.policyUse, tellsUnused: true)
        let verdict = Verdict(
            pipeline, worst: judged.tally.worst, evidence: evidence, session: live.session,
            requiresComplete: failOn.requireComplete)
        verdict.explainEvidence()
        let others = tally.findings.count - judged.tally.findings.count
        if others > 0 {
            say(
                "vfioscope: \(others) finding\(others == 1 ? " is" : "s are") of other processes and "
                    + "do\(others == 1 ? "es" : "") not count (--scope host)"
            )
        }
        let status = verdict.status(failOn: failOn.severity)
        if status == .findings { throw status }
        if let code = live.commandStatus, code != 0 { throw ExitStatus.command(code) }
        throw status
    }
}
