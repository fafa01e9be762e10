import ArgumentParser
import Commands
import Events
import Kernel

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what can be traced on this host, hook by hook, and what is missing.",
        discussion:
            "Ends with 0 when everything needed is there, else with 3. It attaches nothing unless --attach is given.")

    @Flag(help: "Load and attach everything once, to see the kernel accept it.") var attach = false

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
