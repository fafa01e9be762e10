// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Events
import Findings
import Kernel
import MappingGraph
import Outputs

/// How the library's values are written on the command line, and the options that several
/// subcommands share.
extension DurationArgument: ExpressibleByArgument {}
extension MomentArgument: ExpressibleByArgument {}

extension Severity: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public var defaultValueDescription: String { name }
    public static var allValueStrings: [String] { allCases.map(\.name) }
}

struct FailOnOption: ParsableArguments {
    @Option(
        name: .customLong("fail-on"),
        help: ArgumentHelp(
            "Exit with 1 if a finding is at least this severe: info, low, medium, high or critical.",
            valueName: "severity"))
    var severity: Severity = .high
    @Flag(help: "Exit with 4 if any records were lost, even if the state afterwards was read from the kernel.")
    var requireComplete = false
}

struct FilterOptions: ParsableArguments {
    @Option(help: "Show only events of this process.") var pid: UInt32?
    @Option(help: "Show only events of processes with this name, or of this VM.") var comm: String?
    @Option(help: "Show only this container (c1, c2, …).") var container: String?
    @Option(help: ArgumentHelp("Show only this device.", valueName: "bdf")) var device: String?
    @Option(help: "Show only this IOMMU group.") var group: UInt32?
    @Option(help: "Show only this cgroup, by its id (the inode number of its directory).") var cgroup: UInt64?

    mutating func validate() throws {
        if let device, PCIAddress(device) == nil {
            throw ValidationError("'\(device)' is not a PCI address, such as 0000:02:00.0")
        }
        if let container, ContainerID(container) == nil {
            throw ValidationError("'\(container)' is not a container, such as c1")
        }
    }

    var filter: Filter {
        var filter = Filter()
        filter.pid = pid
        filter.comm = comm
        filter.container = container.flatMap { ContainerID($0) }
        filter.device = device.flatMap { PCIAddress($0) }
        filter.group = group
        filter.cgroup = cgroup
        return filter
    }
}

/// The tracer's options, common to all live commands.
struct TracingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Size of the ring in which records wait for the tool, in MiB; a power of two.", valueName: "MiB"))
    var ring: UInt32 = 16
    @Option(help: ArgumentHelp("Drop one record in N on purpose, to test how loss is handled.", visibility: .hidden))
    var injectLoss: UInt32 = 0

    mutating func validate() throws {
        guard ring > 0, ring <= 2048, ring & (ring - 1) == 0 else {
            throw ValidationError("--ring must be a power of two from 1 to 2048, not \(ring)")
        }
    }

    func options(followsChildren: Bool = false) -> Tracer.Options {
        var options = Tracer.Options()
        options.ringBytes = ring << 20
        options.injectLoss = injectLoss
        options.followsChildren = followsChildren
        return options
    }
}

/// `--policy FILE`, for the commands that apply rules.
struct PolicyOption: ParsableArguments {
    @Option(
        name: .customLong("policy"),
        help: ArgumentHelp("Severities, debounce, allowed and suppressed findings: docs/policy.md.", valueName: "file"))
    var path: String?

    func load() throws -> PolicyFile? { try path.map { try PolicyFile($0) } }
}
