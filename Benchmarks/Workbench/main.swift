// SPDX-License-Identifier: Apache-2.0
// workbench: measures stages of the tool's own modules that its command line does not expose, and
// makes the inputs of the benchmarks. Each subcommand prints one line of JSON.
import Glibc

let shapes = Shape.allCases.map(\.rawValue).joined(separator: ", ")
let stages = Stage.allCases.map(\.rawValue).joined(separator: ", ")
let usage = """
    workbench generate SHAPE EVENTS LIVE FILE    a recording; SHAPE: \(shapes)
    workbench replay STAGE FILE                  one recording or timeline; STAGE: \(stages)
    workbench rules FILE                         what the rules cost on top of the graph
    workbench index ascending|churn LIVE         what an event costs among so many mappings
    """

let arguments = Array(CommandLine.arguments.dropFirst())
do {
    switch arguments.first {
    case "generate" where arguments.count == 5:
        guard let shape = Shape(rawValue: arguments[1]), let events = UInt64(arguments[2]), let live = Int(arguments[3])
        else { break }
        show(try generate(History(shape: shape, events: events, live: live), to: arguments[4]))
        exit(0)
    case "replay" where arguments.count == 3:
        guard let stage = Stage(rawValue: arguments[1]) else { break }
        show(try replay(stage, arguments[2]))
        exit(0)
    case "rules" where arguments.count == 2:
        show(try rules(arguments[1]))
        exit(0)
    case "index" where arguments.count == 3:
        guard let live = Int(arguments[2]), live > 0 else { break }
        if arguments[1] == "ascending" { show(ascending(live)) } else { show(churn(live)) }
        exit(0)
    default: break
    }
} catch {
    print("workbench: \(error)")
    exit(3)
}
print(usage)
exit(2)
