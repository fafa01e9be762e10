import ArgumentParser
import Commands
import Outputs
import Pipeline

/// `export`: writes a recording or a timeline in another format.
struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Turn a recording or a timeline into another format.",
        discussion: """
            Stream formats (\(FormatRegistry.streamNames.joined(separator: ", "))) hold everything; \
            pictures (\(FormatRegistry.graphNames.joined(separator: ", "))) show the graph at --at, \
            the end if not given.
            """)

    @Option(
        help: ArgumentHelp("One of \(FormatRegistry.all.map(\.name).joined(separator: ", ")).", valueName: "format"))
    var format: String
    @Option(name: .shortAndLong, help: ArgumentHelp("Where to write; - is stdout.", valueName: "file")) var output = "-"
    @Option(
        help: ArgumentHelp(
            "The moment of a picture: nanoseconds since boot, +TIME since tracing began (+1.5s), or RFC 3339 in UTC.",
            valueName: "time"))
    var at: MomentArgument?
    @Flag(help: "Write user addresses too; they reveal the layout of address spaces.") var showVaddr = false
    @Argument(help: "A recording or a timeline; - is stdin.") var file: String

    mutating func validate() throws {
        if FormatRegistry.format(format) == nil {
            throw ValidationError(
                "there is no format '\(format)'; the formats are: "
                    + "\(FormatRegistry.all.map(\.name).joined(separator: ", "))"
            )
        }
        if at != nil, FormatRegistry.streamNames.contains(format) {
            throw ValidationError("--at is for pictures (\(FormatRegistry.graphNames.joined(separator: ", ")))")
        }
    }

    func run() throws {
        let input = try InputFile(file)
        defer { input.unmap() }
        let sink = try OutputSink(path: output)
        let options = OutputOptions(showVaddr: showVaddr)
        var lines: LineOutput?
        var picture: (any GraphOutput)?
        switch FormatRegistry.format(format)!.kind {
        case .stream(let make): lines = LineOutput(make(options), to: sink)
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
