// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Outputs
import Pipeline

/// `export`: writes a recording or a timeline in another format.
struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Convert a recording or a timeline to another format.",
        discussion: """
            Stream formats (\(FormatRegistry.streamNames.joined(separator: ", "))) contain all events; \
            pictures (\(FormatRegistry.graphNames.joined(separator: ", "))) show the graph at one \
            moment: --at, or the end.
            """)

    @Option(
        help: ArgumentHelp("One of \(FormatRegistry.all.map(\.name).joined(separator: ", ")).", valueName: "format"))
    var format: String
    @Option(name: .shortAndLong, help: ArgumentHelp("Where to write; - is stdout.", valueName: "file")) var output = "-"
    @Option(
        help: ArgumentHelp(
            "The time that a picture shows: nanoseconds since boot, +TIME since tracing began (+1.5s), or RFC 3339 in "
                + "UTC.",
            valueName: "time"))
    var at: MomentArgument?
    @Flag(help: "Include user addresses, which reveal the layout of address spaces.") var showVaddr = false
    @Argument(help: "A recording or a timeline; - is stdin.") var file: String

    mutating func validate() throws {
        if FormatRegistry.format(format) == nil {
            throw ValidationError(
                "there is no format '\(format)'; the formats are: "
                    + "\(FormatRegistry.all.map(\.name).joined(separator: ", "))"
            )
        }
        if at != nil, FormatRegistry.streamNames.contains(format) {
            throw ValidationError(
                "--at can be used only with pictures (\(FormatRegistry.graphNames.joined(separator: ", ")))")
        }
    }

    func run() throws {
        let input = try InputFile(file)
        defer { input.unmap() }
        let sink = try OutputSink(path: output)
        let options = OutputOptions(showVaddr: showVaddr)
        var lines: LineWriter?
        var picture: (any GraphOutput)?
        switch FormatRegistry.format(format)!.kind {
        case .stream(let make): lines = LineWriter(make(options)) { sink.write($0) }
        case .graph(let make): picture = make(options)
        }
        var pipeline = AnalysisPipeline(observer: Analysis(output: lines))
        let (session, seen) = try input.feed(&pipeline, until: at)
        let evidence = pipeline.finish(seen)
        if let picture { sink.write(picture, of: pipeline, at: pipeline.moment(evidence), session: session) }
        try sink.finish()
        let verdict = Verdict(pipeline, worst: nil, evidence: evidence, session: session)
        if !evidence.isComplete { verdict.explainEvidence() }
        throw verdict.status(failOn: .critical)
    }
}
