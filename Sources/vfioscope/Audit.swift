// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Policies

/// `audit`: judges recordings and timelines.
struct Audit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Judge recordings and JSON timelines.",
        discussion:
            "Exits with 1 if a finding is at or above --fail-on. Otherwise exits with 4 if the evidence is incomplete."
    )

    @OptionGroup var failOn: FailOnOption
    @OptionGroup var policy: PolicyOption
    @Option(help: "text: the findings; jsonl: the whole JSON timeline.") var format: StreamFormat = .text
    @Argument(help: "Recordings or timelines; - is stdin.") var files: [String]

    func run() throws {
        let decided = try policy.load()
        var use = decided.map { PolicyUse($0.policy) }
        var worst: ExitStatus = .clean
        // Only one thread can read stdin.
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
        decided?.explain(use, reportsUnused: true)
        throw worst
    }
}
