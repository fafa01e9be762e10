import ArgumentParser
import Events
import Findings
import Glibc
import Kernel
import MappingGraph
import Outputs
import Policies

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
        let analysis = Analysis(output: sink.map { StreamFormat.jsonl.makeOutput($0) }, policy: decided)
        var options = tracing.options
        options.followsChildren = true
        let live = LiveTracing(
            analysis: analysis, recording: try recording.map { try openRecording($0) }, options: options)
        sink?.onFailure = { live.fail($0) }

        var all: [JudgedFinding] = []
        analysis.onFinding = { all.append($0) }
        let evidence = try live.run(duration: nil, command: command)

        // Whose child a process is cannot be known when the fork was lost: then everything counts.
        let lostForks = live.tracer.losses.contains { $0.name == "process fork" || $0.name == "on_fork" }
        if lostForks, scope == .command {
            say(
                "vfioscope: a fork was lost, and with it who belongs to the command: the findings of the whole host "
                    + "count"
            )
        }
        var judged = Tally()
        var reported = LatestFindings()
        for item in all {
            let finding = item.finding
            let owners = [finding.actor, finding.deviceOwner].compactMap(\.self)
            guard
                scope == .host || lostForks || owners.contains(where: { live.tracer.commandTree.contains($0.process) })
            else { continue }
            judged.count(item)
            reported.note(item)
        }

        // To stderr: stdout is the command's.
        let text = OutputSink(STDERR_FILENO, name: "stderr")
        if !reported.all.isEmpty {
            FindingList.write(reported.all, session: live.tracer.session, graph: analysis.graph, to: text)
        }
        report(analysis.tally, evidence)
        policy.explain(analysis.judge?.use, decided, tellsUnused: true)
        let verdict = Verdict(
            analysis, worst: judged.worst, evidence: evidence, session: live.tracer.session,
            requiresComplete: failOn.requireComplete)
        verdict.explainEvidence()
        let others = analysis.tally.findings.count - judged.findings.count
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
