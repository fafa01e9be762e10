// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import Glibc
import MappingGraph
import Outputs
import Pipeline
import Policies
import Testing

/// Recordings made in the lab, on every kernel of the matrix: see Tests/Fixtures/*/provenance.json.
enum Fixtures {
    static let root = #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 } + "/Fixtures"

    static let all: [Fixture] = names(root).flatMap { kernel in
        names("\(root)/\(kernel)").filter { $0.hasSuffix(".vfs") }.map {
            Fixture(kernel: kernel, scenario: String($0.dropLast(4)))
        }
    }

    private static func names(_ directory: String) -> [String] {
        guard let handle = opendir(directory) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
                })
        }
        return names.filter { !$0.hasPrefix(".") }.sorted()
    }
}

struct Fixture: CustomTestStringConvertible, Sendable {
    var kernel: String
    var scenario: String
    var testDescription: String { "\(scenario) on Linux \(kernel)" }

    func bytes() throws -> [UInt8] { try bytes(of: "\(scenario).vfs") }

    func bytes(of file: String) throws -> [UInt8] {
        let descriptor = open("\(Fixtures.root)/\(kernel)/\(file)", O_RDONLY)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
        #expect(pread(descriptor, &bytes, bytes.count, 0) == bytes.count)
        return bytes
    }
}

/// A recording after it has passed through the pipeline.
struct Replay: ~Copyable {
    private var pipeline = Pipeline(observer: LatestStates())
    private(set) var evidence = Evidence()

    init(_ fixture: Fixture) throws {
        let bytes = try fixture.bytes()
        evidence = try bytes.withUnsafeBytes { raw in
            var producer = try RecordingProducer(raw, path: "fixture")
            return pipeline.finish(try producer.produce(into: &pipeline, until: .max))
        }
    }

    var graph: Graph { _read { yield pipeline.graph } }
    /// The findings above info, in order of opening, each with its worst severity and its last
    /// state.
    var findings: [Finding] { pipeline.observer.findings.filter { $0.severity > .info } }
}

/// The latest state of each finding, at its worst severity.
struct LatestStates: PipelineObserver {
    private(set) var findings: [Finding] = []

    mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) {
        var latest = judged.finding
        guard let index = findings.firstIndex(where: { $0.id == latest.id }) else { return findings.append(latest) }
        latest.severity = max(latest.severity, findings[index].severity)
        findings[index] = latest
    }
}

@Suite("Recordings of real kernels")
struct FixtureTests {
    /// Scenario → the rules above info that must fire, in order. Each finding ends when the
    /// workload cleans up.
    private static let expected: [String: [String]] = [
        "clean-p2p": [], "sigkill": [], "partial-windows": [], "unmap-all": ["unmap-bisects"],
        "stale-same": ["stale-mapping"], "stale-cross": ["stale-mapping"], "reopen": ["stale-mapping"],
        "dup-outlives": ["stale-mapping"],
        "given-away": ["stale-mapping", "isolation-break"], "memory-off-on": ["memory-disabled"],
        "power": ["memory-disabled"],
        "msix-stale": ["stale-mapping"], "stale-asleep": ["stale-mapping"],
        "virtual-function": ["stale-mapping", "unbound-device"],
        "no-open-device": ["no-open-device"], "no-container-fd": ["no-container-fd"], "creator-gone": ["creator-gone"],
        "unmap-holes": [], "unmap-more": ["unmap-mismatch"], "live-update": [], "live-update-forgotten": [],
        "exec-keeps": ["dead-mm"],
        "shared-memfd": ["shared-ram"], "shared-anonymous": ["shared-ram"], "shared-not": [], "child-lets-bar-go": [],
    ]

    @Test func everyKernelOfTheMatrixIsThere() {
        #expect(Set(Fixtures.all.map(\.kernel)) == ["5.10", "6.1", "6.12", "6.18", "7.3"])
    }

    @Test(arguments: Fixtures.all)
    func findsWhatTheScenarioIsAbout(_ fixture: Fixture) throws {
        let replay = try Replay(fixture)
        #expect(replay.evidence.isComplete)
        if let rules = Self.expected[fixture.scenario] {
            #expect(replay.findings.map(\.rule) == rules)
        }
        if fixture.scenario == "failing-maps" {
            #expect(Set(replay.findings.map(\.rule)) == ["map-exists", "map-failed"])
        }
        if fixture.scenario == "mistakes" {
            #expect(replay.findings.map(\.rule).sorted() == ["map-exists", "unmap-bisects"])
        }
        if fixture.scenario == "foreign-pfnmap" {
            #expect(Set(replay.findings.map(\.rule)) == ["foreign-pfnmap", "stale-mapping"])
        }
        if fixture.scenario == "bar-moved" {
            #expect(replay.findings.contains { $0.rule == "bar-moved" && $0.severity == .critical })
        }
        if fixture.scenario == "rescan-in-place" { #expect(!replay.findings.contains { $0.rule == "bar-moved" }) }
        // A network card that sleeps: a latent finding, and a more severe one for its MSI-X table.
        if fixture.scenario == "stale-asleep" { #expect(replay.findings.map(\.severity) == [.medium]) }
        if fixture.scenario == "msix-stale" { #expect(replay.findings.map(\.severity) == [.high]) }
        if fixture.scenario == "dma-buf" {
            #expect(replay.findings.map(\.rule) == (fixture.kernel == "7.3" ? ["dmabuf-revoked"] : []))
        }
        // Found where a read succeeded although memory decode was off. The lab saw that on 6.1
        // only, and on 5.10 for a BAR that mremap had moved.
        if fixture.scenario == "child-keeps-bar" || fixture.scenario == "moved-bar" {
            #expect(replay.findings.map(\.rule) == (fixture.kernel == "6.1" ? ["child-keeps-bar"] : []))
            #expect(replay.findings.allSatisfy { $0.severity == .high })
            #expect(replay.graph.allKeptAreas.isEmpty)
        }
        if fixture.scenario == "memlock-budget" {
            #expect(replay.findings.contains { $0.rule == "memlock-budget" && $0.severity == .low })
        }
        for finding in replay.findings { #expect(finding.state == .resolved, "\(finding.rule)") }
        // The workload leaves nothing behind, so the graph must be empty.
        #expect(replay.graph.containers.isEmpty)
        #expect(replay.graph.peerMappingCount == 0)
    }
}
