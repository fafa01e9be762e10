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
@Suite struct FormatTests {
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

    // MARK: Pictures

    /// Names that are markup, in every place where a name goes.
    @Test(arguments: ["dot", "svg"]) func namesAreEscaped(format: String) {
        var history = History.small()
        history.events.removeLast(2)
        history.session.kernel = "6.1<\"&'>"
        let nasty = ShortText("<script>&\"'>")
        history.events.insert(Event(time: 1, actor: vmA, kind: .processInfo(ProcessInfo(exe: nasty, vm: nasty))), at: 0)
        let ending = history.final()
        let output = text(
            ByteWriter.gather {
                FormatRegistry.graph(format)!.write(
                    ending.graph, findings: ending.findings, at: 0, session: history.session, into: &$0)
            })
        #expect(!output.contains("<script") && output.contains("&lt;script&gt;&amp;&quot;&#39;&gt;"))
        #expect(!output.contains("6.1<"))
    }

    @Test(arguments: FormatRegistry.graphNames, 0..<40) func anyGraphCanBeDrawn(format: String, seed: Int) {
        var random = Random(seed: UInt64(seed))
        let history = History.random(&random, count: 150, isOrderly: seed % 2 == 0)
        let ending = history.final()
        let output = text(
            ByteWriter.gather {
                FormatRegistry.graph(format)!.write(
                    ending.graph, findings: ending.findings, at: 0, session: history.session, into: &$0)
            })
        let open = output.count { $0 == "<" }, close = output.count { $0 == ">" }
        switch format {
        case "dot": #expect(output.hasSuffix("}\n"))
        case "svg": #expect(output.hasSuffix("</svg>\n") && open == close)
        default: #expect(output.hasSuffix("\n"))
        }
    }

    @Test func boxesDoNotOverlap() {
        for seed in 0..<40 as Range<UInt64> {
            var random = Random(seed: seed)
            let ending = History.random(&random, count: 150, isOrderly: true).final()
            let layout = SVGLayout(Picture(ending.graph, findings: ending.findings))
            for column in [layout.owners, layout.containers, layout.devices] {
                let sorted = column.sorted { $0.y < $1.y }
                for (above, below) in zip(sorted, sorted.dropFirst()) {
                    #expect(above.y + above.height < below.y, "seed \(seed)")
                }
            }
        }
    }

    @Test func edgesCarryTheirFindings() throws {
        var history = History.small()
        history.events.removeLast(2)
        let ending = history.final()
        let picture = Picture(ending.graph, findings: ending.findings)
        #expect(ending.findings.map(\.rule) == ["stale-mapping", "no-open-device"])
        #expect(picture.containers.map { $0.findings.map(\.rule) } == [["no-open-device"]])
        let edge = try #require(picture.edges.first)
        #expect(
            picture.edges.count == 1 && edge.findings.map(\.rule) == ["stale-mapping"] && edge.iova == 0x8000_0000
                && edge.size == 1 << 20)
        #expect(picture.containers[0].ramBytes == 1 << 30)
        #expect(picture.owners.map(\.name) == ["qemu-system-x86"])
    }

    @Test func wrapping() {
        #expect(SVG.wrap("one two three", length: 7) == ["one two", "three"])
        #expect(SVG.wrap("", length: 7) == [])
        #expect(SVG.wrap("abcdefghij k", length: 5) == ["abcd…", "k"])
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
