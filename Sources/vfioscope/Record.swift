// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Pipeline

/// `record`: writes a recording of what VFIO does.
struct Record: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract: "Record what VFIO does on this host, until a command ends or the tool is stopped.",
        usage: "vfioscope record [-o FILE] [--duration TIME] [-- COMMAND …]",
        discussion:
            "Records the whole host, not only the command. If there is a command, the exit status is the command's.")

    @OptionGroup var tracing: TracingOptions
    @Option(name: .shortAndLong, help: ArgumentHelp("Where to write; - is stdout.", valueName: "file")) var output =
        "vfioscope.vfs"
    @Option(
        help: ArgumentHelp(
            "Stop after this long: 500ms, 90s, 15m; a number without a unit is seconds.", valueName: "time"))
    var duration: DurationArgument?
    @Argument(parsing: .postTerminator, help: "The command to follow.") var command: [String] = []

    func run() throws {
        let writer = try openRecording(output)
        let live = LiveTracing(
            recording: writer, options: tracing.options(followsChildren: !command.isEmpty), duration: duration,
            command: command)
        var pipeline = AnalysisPipeline(observer: Analysis())
        let evidence = try live.run(&pipeline)
        pipeline.observer.tally.report(lost: evidence.lost)
        printLine("vfioscope: \(writer.bytesWritten) bytes in \(output)")
        let verdict = Verdict(pipeline, worst: nil, evidence: evidence, session: live.session)
        verdict.explainEvidence()
        if let status = live.commandStatus, status != 0 { throw ExitStatus.command(status) }
        throw verdict.status(failOn: .critical)
    }
}
