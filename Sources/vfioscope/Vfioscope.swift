// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Events
import Glibc

/// `vfioscope`: the root command and its subcommands.
struct Vfioscope: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vfioscope",
        abstract: "A leak and isolation sanitizer for VFIO DMA mappings.",
        discussion: """
            Exit status: 0 no findings at or above --fail-on; 1 findings at or above it; 2 wrong usage; 3 cannot \
            trace, read or write; 4 the evidence is incomplete and nothing else failed.
            """,
        version: toolVersion,
        // Each command sets `commandName`: without it ArgumentParser derives the name by
        // reflection, which takes a million instructions.
        subcommands: [
            Trace.self, Snapshot.self, Record.self, Run.self, Audit.self, Export.self, Doctor.self, Rules.self,
            Explain.self,
        ])
}

@main
struct Main {
    static func main() {
        // A closed pipe is reported as an error instead of killing the process.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try Vfioscope.parseAsRoot()
            try command.run()
        } catch let status as ExitStatus {
            status.leave()
        } catch let failure as Failure {
            failure.report()
            failure.status.leave()
        } catch {
            let isHelp = Vfioscope.exitCode(for: error) == .success
            printLine(Vfioscope.fullMessage(for: error), to: isHelp ? STDOUT_FILENO : STDERR_FILENO)
            exit(isHelp ? 0 : ExitStatus.usage.code)
        }
    }
}
