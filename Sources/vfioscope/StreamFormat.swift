// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Commands
import Outputs

/// The stream formats on the command line, from the registry: a new format needs no change here.
struct StreamFormat: ExpressibleByArgument, Equatable {
    var name: String

    static let text = StreamFormat(name: "text")
    static let jsonl = StreamFormat(name: "jsonl")

    init(name: String) { self.name = name }

    init?(argument: String) {
        guard FormatRegistry.streamNames.contains(argument) else { return nil }
        name = argument
    }

    var defaultValueDescription: String { name }
    static var allValueStrings: [String] { FormatRegistry.streamNames }

    func makeOutput(_ sink: OutputSink, showVaddr: Bool = false) -> LineWriter {
        let options = OutputOptions(showVaddr: showVaddr, colour: sink.isTerminal)
        return LineWriter(FormatRegistry.stream(name, options)!) { sink.write($0) }
    }
}
