import ArgumentParser
import Events
import Glibc
import Kernel

struct Record: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract: "Record what VFIO does on this host, while a command runs or until stopped.",
        usage: "vfioscope record [-o FILE] [--duration TIME] [-- COMMAND …]",
        discussion:
            "The whole host is recorded, not the command alone. With a command the exit status is the command's own.")

    @OptionGroup var tracing: TracingOptions
    @Option(name: .shortAndLong, help: ArgumentHelp("Where to write; - is stdout.", valueName: "file")) var output =
        "vfioscope.vfs"
    @Option(help: ArgumentHelp("Stop after this long: 500ms, 90s, 15m; a bare number is seconds.", valueName: "time"))
    var duration: DurationArgument?
    @Argument(parsing: .postTerminator, help: "The command to follow.") var command: [String] = []

    func run() throws {
        let writer = try openRecording(output)
        let analysis = Analysis(output: nil)
        var options = tracing.options
        options.followsChildren = !command.isEmpty
        let live = LiveTracing(analysis: analysis, recording: writer, options: options)
        let evidence = try live.run(duration: duration, command: command)
        report(analysis.tally, evidence)
        say("vfioscope: \(writer.bytesWritten) bytes in \(output)")
        let verdict = Verdict(analysis, worst: nil, evidence: evidence, session: live.tracer.session)
        verdict.explainEvidence()
        if let status = live.commandStatus, status != 0 { throw ExitStatus.command(status) }
        throw verdict.status(failOn: .critical)
    }
}

/// Creates `path` for a recording, replacing what is there.
func openRecording(_ path: String) throws -> RecordingWriter {
    let descriptor = path == "-" ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
        throw Failure(.cannot, RecordingError.cannotOpen(path: path, errno: errno).description)
    }
    do { return try RecordingWriter(descriptor: descriptor, path: path == "-" ? "stdout" : path) } catch {
        throw Failure(.cannot, error.description)
    }
}
