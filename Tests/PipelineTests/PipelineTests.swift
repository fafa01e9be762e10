// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph
import Policies
import TestSupport
import Testing

@testable import Pipeline

/// Records every call of a pipeline to its observer, in order, as short words.
private struct Journal: PipelineObserver {
    var entries: [String] = []

    mutating func begin(_ session: Session, devices: [DeviceInfo]) {
        entries.append("begin \(session.kernel) \(devices.map(\.device.description))")
    }

    mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) {
        entries.append("event \(event.time)")
    }

    mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) {
        let finding = judged.finding
        let isInGraph = finding.iova.map { graph.mapping(at: $0, in: finding.container!) != nil } ?? false
        entries.append("\(finding.state) \(finding.rule) at \(finding.time)\(isInGraph ? ", mapped" : "")")
    }

    mutating func end(_ evidence: Evidence, graph: borrowing Graph) { entries.append("end \(evidence.ended)") }
}

@Suite("The pipeline")
struct PipelineTests {
    private let session = Session(
        toolVersion: "1", kernel: "6.12", machine: "x86_64", bootID: "b", clockOffset: 0, began: 0, hooks: [],
        mappingLimit: 7, remapsInterrupts: false)

    /// A mapping of the NIC's BAR, whose device is released at 1000.
    private var staleMapping: [Event] {
        var host = Host.peerToPeer()
        host.close(1000)
        return host.history
    }

    private func pipeline(_ rules: String...) -> Pipeline<Journal> {
        Pipeline(
            observer: Journal(), engine: Engine(rules: rules.map { RuleRegistry.rule($0)! }, debounce: 500))
    }

    @Test func devicesBeforeTheFirstEventBelongToTheHeader() {
        var it = pipeline()
        it.begin(session)
        it.consume(Event(time: 1, kind: .deviceInfo(info(nic, group: nicGroup, bar: nicBar))))
        #expect(it.observer.entries.isEmpty && it.graph.device(nic) != nil)
        it.consume(Event(time: 2, actor: vmA, kind: .containerOpen(c1)))
        it.consume(Event(time: 3, kind: .deviceInfo(info(gpu, group: gpuGroup, bar: 0xe000_0000))))
        #expect(it.observer.entries == ["begin 6.12 [\"0000:02:00.0\"]", "event 2", "event 3"])
    }

    @Test func theGraphKnowsTheHostsLimits() {
        var it = pipeline()
        it.begin(session)
        #expect(it.graph.mappingLimit == 7 && it.graph.remapsInterrupts == false)
    }

    /// The mapping is stale at the deadline, and the event after the deadline removes it. The
    /// finding is judged by the state until then.
    @Test func whatFellDueIsReportedBeforeTheEvent() {
        var it = pipeline("stale-mapping")
        for event in staleMapping { it.consume(event) }
        it.observer.entries = []
        it.consume(
            Event(
                time: 2000, actor: vmA,
                kind: .mappingRemoved(MappingRemoved(iommu: i1, iova: window, size: size, cause: .request))))
        #expect(
            it.observer.entries == [
                "open stale-mapping at 1500, mapped", "event 2000", "resolved stale-mapping at 2000",
            ])
    }

    @Test func anExtentIsNoEventOfItsOwn() {
        var it = pipeline()
        it.consume(Event(time: 1, actor: vmA, kind: .containerOpen(c1)))
        it.consume(Event(time: 2, actor: vmA, kind: .extent(Extent(iova: 0, address: nicBar, size: size))))
        #expect(it.observer.entries == ["begin  []", "event 1"])
    }

    @Test func eventsBeyondTheLimitAreLeftOut() {
        var it = pipeline()
        it.consume(Event(time: 1, actor: vmA, kind: .containerOpen(c1)), until: 5)
        it.consume(Event(time: 6, actor: vmA, kind: .containerOpen(c2)), until: 5)
        it.consume(Event(time: 5, actor: vmA, kind: .containerOpen(c3)), until: 5)
        #expect(it.lastTime == 5 && it.graph.containers.count == 2)
    }

    @Test func timePassesWhileNothingHappens() {
        var it = pipeline("stale-mapping")
        for event in staleMapping { it.consume(event) }
        it.observer.entries = []
        it.advance(to: 1499)
        #expect(it.observer.entries == [])
        it.advance(to: 1500)
        #expect(it.observer.entries == ["open stale-mapping at 1500, mapped"])
        it.advance(to: 1400)
        #expect(it.lastTime == 1500)
    }

    @Test func finishingReportsWhatIsDueAndEndsOnce() {
        var it = pipeline("stale-mapping")
        for event in staleMapping { it.consume(event) }
        it.observer.entries = []
        let evidence = it.finish(Evidence(attempted: 3, delivered: 3, ended: 1600))
        #expect(evidence.isComplete && evidence.ended == 1600)
        #expect(it.observer.entries == ["open stale-mapping at 1500, mapped", "end 1600"])
    }

    /// A recording that was cut short does not contain its end time.
    @Test func evidenceWithoutAnEndEndsWithTheLatestEvent() {
        var it = pipeline()
        it.consume(Event(time: 9, actor: vmA, kind: .containerOpen(c1)))
        #expect(it.finish(Evidence()).ended == 9)
    }

    @Test func anEmptyHistoryHasAHeaderToo() {
        var it = pipeline()
        it.finish(Evidence(ended: 4))
        #expect(it.observer.entries == ["begin  []", "end 4"])
    }

    @Test func whatAPolicyAllowsIsNotReported() throws {
        let policy = try Policy(
            toml: Array(
                """
                version = 1
                [[allow]]
                rules = ["stale-mapping"]
                reason = "known"
                """.utf8))
        var it = Pipeline(observer: Journal(), policy: policy)
        it.begin(session)
        for event in staleMapping { it.consume(event) }
        it.advance(to: 10_000_000_000)
        #expect(!it.observer.entries.contains { $0.contains("stale-mapping") })
        #expect(it.policyUse?.findings == [1])
    }
}
