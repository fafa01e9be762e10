import ArgumentParser
import Commands
import Policies

/// `audit`: judges recordings and timelines.
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
        var use = decided.map { PolicyUse($0.policy) }
        var worst: ExitStatus = .clean
        // Stdin has one reader.
        let threads = files.contains("-") ? 1 : min(files.count, OrderedWork.processors)
        try OrderedWork.run(files.count, threads: threads) { index, awaitTurn in
            let audit = FileAudit(
                path: files[index], policy: decided?.policy,
                makeTimeline: format == .text ? nil : { format.makeOutput($0) }, showsName: files.count > 1,
                failOn: failOn.severity, requiresComplete: failOn.requireComplete)
            let (status, did) = try audit.run(awaitTurn: awaitTurn)
            if let did { use?.add(did) }
            worst = worst.combined(with: status)
        }
        decided?.explain(use, tellsUnused: true)
        throw worst
    }
}
