// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Events
import Kernel

/// `doctor`: shows what can be traced on this host.
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Show what can be traced on this host, hook by hook, and what is missing.",
        discussion:
            "Exits with 0 if everything needed is present, otherwise with 3. Attaches nothing unless --attach is given."
    )

    @Flag(help: "Load and attach everything once, to check that the kernel accepts it.") var attach = false

    func run() throws {
        let report = Diagnosis()
        for line in report.checks { print(line.isGood ? "ok     " : line.isFatal ? "FAIL   " : "note   ", line.text) }
        print("\nhooks:")
        let width = report.hooks.map(\.name.count).max() ?? 0
        for hook in report.hooks { print("  ", pad(hook.name, width), pad(hook.how, 10), hook.function) }
        if report.isFatal { throw ExitStatus.cannot }
        if attach {
            let tracer = Tracer(toolVersion: toolVersion)
            do { try tracer.start() } catch { throw Failure(.cannot, error.description) }
            let attached = tracer.hooks.filter { !$0.how.hasPrefix("missing") }.count
            _ = tracer.stop()
            print("\nattached and detached \(attached) of \(tracer.hooks.count) hooks")
        }
        if !report.hasVFIO { throw ExitStatus.cannot }
    }
}
