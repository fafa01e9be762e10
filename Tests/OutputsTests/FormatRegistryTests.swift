// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Testing
@testable import Outputs

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Each registered format against Golden/small.NAME, streams against Golden/snapshot.NAME, too; one
/// without such a file fails. `UPDATE_GOLDEN=1 swift test` writes them anew.
@Suite struct FormatRegistryTests {
    private static func write(_ format: FormatRegistry.Format, _ streamed: History = .small()) -> [UInt8] {
        switch format.kind {
        case .stream(let make):
            func run(_ output: some EventOutput) -> [UInt8] { streamed.run(output) }
            return run(make(OutputOptions()))
        case .graph(let make):
            var history = History.small()
            history.events.removeLast(2)
            let ending = history.final()
            return ByteWriter.gather {
                make(OutputOptions()).write(
                    ending.graph, findings: ending.findings, at: 4_000_000_000, session: history.session, into: &$0)
            }
        }
    }

    @Test(arguments: FormatRegistry.all.map(\.name)) func golden(name: String) throws {
        try check(Self.write(FormatRegistry.format(name)!), "small." + name)
    }

    @Test(arguments: FormatRegistry.streamNames) func snapshots(name: String) throws {
        try check(Self.write(FormatRegistry.format(name)!, .late()), "snapshot." + name)
    }

    private func check(_ found: [UInt8], _ file: String) throws {
        let path =
            #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/Golden/" + file
        if getenv("UPDATE_GOLDEN") != nil { save(found, path) }
        let expected = try #require(load(path), "there is no \(path)")
        #expect(difference(expected, found) == nil)
    }

    @Test(arguments: FormatRegistry.all.map(\.name)) func sameTwice(name: String) {
        #expect(Self.write(FormatRegistry.format(name)!) == Self.write(FormatRegistry.format(name)!))
    }

    @Test func registry() {
        let names = FormatRegistry.all.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(FormatRegistry.streamNames == ["text", "jsonl"])
        #expect(FormatRegistry.graphNames == ["list", "json", "dot", "svg"])
        #expect(
            FormatRegistry.stream("dot") == nil && FormatRegistry.graph("jsonl") == nil
                && FormatRegistry.stream("x") == nil)
        for format in FormatRegistry.all { #expect(!format.summary.isEmpty && !format.summary.hasSuffix(".")) }
    }
}

private func load(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
    return bytes
}

private func save(_ bytes: [UInt8], _ path: String) {
    guard let file = fopen(path, "w") else {
        Issue.record("cannot write \(path)")
        return
    }
    defer { fclose(file) }
    bytes.withUnsafeBytes { _ = fwrite($0.baseAddress, 1, $0.count, file) }
}
