import ArgumentParser
import Events
import Findings
import Glibc
import Kernel

struct Trace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show what VFIO does on this host, as it happens.",
        discussion: "Ends on SIGINT, SIGTERM or after --duration; the exit status tells whether there were findings.")

    @OptionGroup var filter: FilterOptions
    @OptionGroup var failOn: FailOnOption
    @OptionGroup var policy: PolicyOption
    @OptionGroup var tracing: TracingOptions
    @Option(help: "text, or jsonl for the JSON timeline.") var format: StreamFormat = .text
    @Option(help: ArgumentHelp("Stop after this long: 500ms, 90s, 15m; a bare number is seconds.", valueName: "time"))
    var duration: DurationArgument?
    @Flag(help: "Show user addresses too; they reveal the layout of address spaces.") var showVaddr = false

    func run() throws {
        let decided = try policy.load()
        let sink = OutputSink(STDOUT_FILENO, name: "stdout")
        let analysis = Analysis(output: format.makeOutput(sink, showVaddr: showVaddr), filter: filter, policy: decided)
        let live = LiveTracing(analysis: analysis, recording: nil, options: tracing.options)
        sink.onFailure = { live.fail($0) }
        let evidence = try live.run(duration: duration, command: [])
        let verdict = Verdict(
            analysis, worst: analysis.tally.worst, evidence: evidence, session: live.tracer.session,
            requiresComplete: failOn.requireComplete)
        if format != .text {
            report(analysis.tally, evidence)
            verdict.explainEvidence()
        }
        policy.explain(analysis.judge?.use, decided, tellsUnused: false)
        throw verdict.status(failOn: failOn.severity)
    }
}

/// The closing line of a live command, on stderr: what was seen and what was lost.
func report(_ tally: Tally, _ evidence: Evidence) {
    let findings = tally.summary
    say(
        "vfioscope: \(tally.events) events, \(tally.maps) mappings made, "
            + "\(findings.isEmpty ? "no findings" : "findings: \(findings)"), \(evidence.lost) lost"
    )
}

/// Settings of the tracer that every live command takes.
struct TracingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Room for records that wait for the tool, in MiB; a power of two.", valueName: "MiB"))
    var ring: UInt32 = 16
    @Option(help: ArgumentHelp("Drop one record in N on purpose, to test how loss is handled.", visibility: .hidden))
    var injectLoss: UInt32 = 0

    mutating func validate() throws {
        guard ring > 0, ring <= 2048, ring & (ring - 1) == 0 else {
            throw ValidationError("--ring takes a power of two from 1 to 2048, not \(ring)")
        }
    }

    var options: Tracer.Options {
        var options = Tracer.Options()
        options.ringBytes = ring << 20
        options.injectLoss = injectLoss
        return options
    }
}
