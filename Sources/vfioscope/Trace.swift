// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Glibc
import Pipeline

/// `trace`: shows what VFIO does as it happens.
struct Trace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show what VFIO does on this host, as it happens.",
        discussion: "Ends on SIGINT, SIGTERM or after --duration. The exit status shows whether there were findings.")

    @OptionGroup var filter: FilterOptions
    @OptionGroup var failOn: FailOnOption
    @OptionGroup var policy: PolicyOption
    @OptionGroup var tracing: TracingOptions
    @Option(help: "text, or jsonl: the JSON timeline.") var format: StreamFormat = .text
    @Option(
        help: ArgumentHelp(
            "Stop after this long: 500ms, 90s, 15m; a number without a unit is seconds.", valueName: "time"))
    var duration: DurationArgument?
    @Flag(help: "Include user addresses, which reveal the layout of address spaces.") var showVaddr = false

    func run() throws {
        let decided = try policy.load()
        let sink = OutputSink(STDOUT_FILENO, name: "stdout")
        let live = LiveTracing(options: tracing.options(), duration: duration)
        sink.onFailure = { live.fail($0) }
        let analysis = Analysis(output: format.makeOutput(sink, showVaddr: showVaddr), filter: filter.filter)
        var pipeline = AnalysisPipeline(observer: analysis, policy: decided?.policy)
        let evidence = try live.run(&pipeline)
        let tally = pipeline.observer.tally
        let verdict = Verdict(
            pipeline, worst: tally.worst, evidence: evidence, session: live.session,
            requiresComplete: failOn.requireComplete)
        if format != .text {
            tally.report(lost: evidence.lost)
            verdict.explainEvidence()
        }
        decided?.explain(pipeline.policyUse, reportsUnused: false)
        throw verdict.status(failOn: failOn.severity)
    }
}
