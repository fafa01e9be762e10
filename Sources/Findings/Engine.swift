// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Applies the rules to the graph as it changes, and emits a finding when a condition has held for
/// the debounce.
///
/// For each event, call in this order: `advance(to: event.time…)`, `Graph.apply`, `apply`. So the
/// state that held at a deadline decides. All time is event time, so a replay emits the same
/// findings as the live trace. Between events, call `advance` only up to a time before which every
/// event has arrived; how often does not change the findings. A map or unmap of RAM costs a few
/// comparisons.
public struct Engine: Sendable {
    /// A condition that holds: pending while `finding` is nil, open afterwards.
    struct Track: Sendable {
        var rule: Int
        /// Position in `PeerMapping.targets`; 0 for containers and areas.
        var target: Int
        var sequence: UInt64
        var since: UInt64
        var verdict: Verdict
        var finding: Finding?
        /// The verdict differs from the emitted finding, and a deadline is set for emitting the
        /// change.
        var changing = false
    }

    /// How long a condition must hold by default, nanoseconds.
    public static let defaultDebounce: UInt64 = 500_000_000

    public let rules: [any Rule]
    /// How long a condition must hold before its finding is emitted, nanoseconds, inclusive.
    public let debounce: UInt64

    let exposureRules: [(index: Int, rule: any ExposureRule)]
    let areaRules: [(index: Int, rule: any AreaRule)]
    let containerRules: [(index: Int, rule: any ContainerRule)]
    let eventRules: [(index: Int, rule: any EventRule)]
    /// Positions in `rules` of the exposure rules that watch residents.
    let residentRules: [Int]
    /// How long each rule's condition must hold, nanoseconds, by position in `rules`.
    let durations: [UInt64]

    /// The time of the latest event. Records of two CPUs can be slightly out of order, but this
    /// never goes back.
    @usableFromInline var now: UInt64 = 0
    /// Only subjects for which a condition holds.
    var tracks: [Subject: Few<Track>] = [:]
    @usableFromInline var queue = DeadlineQueue()
    private var nextSequence: UInt64 = 0
    private var nextFinding: UInt32 = 1
    var lints = LintTable()
    /// Whether there were areas at the previous event that judged them.
    var hasAreas = false

    /// - Parameter durations: nanoseconds by slug, instead of the debounce and of the rule's own
    ///   patience. Lints do not wait.
    public init(
        rules: [any Rule] = RuleRegistry.all, debounce: UInt64 = Self.defaultDebounce, durations: [String: UInt64] = [:]
    ) {
        self.rules = rules
        self.debounce = debounce
        self.durations = rules.map { durations[$0.slug] ?? max(debounce, $0.patienceNanoseconds) }
        exposureRules = rules.enumerated().compactMap { index, rule in rule.judging.exposure.map { (index, $0) } }
        residentRules = exposureRules.filter { $0.rule.watchesResidents }.map(\.index)
        areaRules = rules.enumerated().compactMap { index, rule in rule.judging.area.map { (index, $0) } }
        containerRules = rules.enumerated().compactMap { index, rule in rule.judging.container.map { (index, $0) } }
        eventRules = rules.enumerated().compactMap { index, rule in rule.judging.event.map { (index, $0) } }
    }

    /// Sets the marks at which the graph reports a change to the rules that need them. Call it
    /// before the first event.
    public func configure(_ graph: inout Graph) {
        for rule in rules { rule.configure(&graph) }
    }

    /// Open findings, by id. O(*n* log *n*) in the subjects for which a condition holds.
    public var openFindings: [Finding] {
        (tracks.values.joined().compactMap(\.finding) + lints.findings).sorted { $0.id < $1.id }
    }

    /// When the next condition will have held long enough, nanoseconds since boot; `UInt64.max` if
    /// none is waiting. O(1).
    public var nextDeadline: UInt64 { queue.next }

    /// Opens and changes the findings whose debounce has passed by `time`, inclusive, in order of
    /// their deadlines. Their `time` is the deadline.
    @inlinable @inline(__always)
    public mutating func advance(to time: UInt64, graph: borrowing Graph, emit: (Finding) -> Void) {
        if queue.next <= time { openDue(by: time, graph, emit) }
    }

    @usableFromInline
    mutating func openDue(by time: UInt64, _ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        while let item = queue.pop(upTo: time) { open(item, graph, emit) }
    }

    /// Judges what an event changed, after the graph has consumed it.
    ///
    /// - Parameter event: only evaluated when a rule judges the call itself, so that an ordinary
    ///   record need not become an event.
    @inlinable @inline(__always)
    public mutating func apply(
        at time: UInt64, applied: borrowing Applied, graph: borrowing Graph, event: () -> Event,
        emit: (Finding) -> Void
    ) {
        if time > now { now = time }
        if applied.isOrdinary, applied.containerChange == .nothing { return }
        judge(applied, graph, emit)
        if applied.isUnusual { lint(event(), applied, graph, emit) }
    }

    @usableFromInline
    mutating func judge(_ applied: borrowing Applied, _ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        if let gone = applied.removed?.peer, !tracks.isEmpty { drop(.peer(gone), emit) }
        if applied.cleared { dropCleared(graph, emit) }
        switch applied.affects {
        case .nothing: break
        case .mapping: if let id = applied.peer { judge(CollectionOfOne(id), graph, emit) }
        case .device(let address):
            judge(graph.peerIDs(targeting: address), graph, emit)
            // What lies where a BAR was may be this device's.
            judge(movedPeers, graph, emit)
        case .bus, .group, .process, .everything:
            judge(affectedPeers(applied.affects, graph), graph, emit)
        }
        if applied.changesReach { judge(peersOfContainer(applied, graph), graph, emit) }
        if applied.containerChange != .nothing { judgeContainers(applied, graph, emit) }
        if applied.containerChange == .state { judgeAreas(graph, emit) }
    }

    // MARK: Conditions

    /// Begins, ends or changes a condition according to its rule's verdict.
    mutating func update(_ subject: Subject, _ target: Int, _ rule: Int, _ verdict: Verdict?, _ emit: (Finding) -> Void)
    {
        let position = tracks[subject]?.firstIndex { $0.rule == rule && $0.target == target }
        guard let verdict else {
            if let position { end(subject, position, emit) }
            return
        }
        guard let position else {
            let sequence = schedule(subject, target, rule)
            tracks[subject, default: Few()].append(
                Track(rule: rule, target: target, sequence: sequence, since: now, verdict: verdict, finding: nil))
            return
        }
        tracks[subject]![position].verdict = verdict
        guard let finding = tracks[subject]![position].finding else { return }
        // A change must last as long as the condition itself, because the verdict flickers when a
        // stale device is reset.
        if finding.severity == verdict.severity && finding.reachable == verdict.reachable {
            tracks[subject]![position].changing = false
        } else if !tracks[subject]![position].changing {
            tracks[subject]![position].changing = true
            tracks[subject]![position].sequence = schedule(subject, target, rule)
        }
    }

    /// Adds a deadline to the queue and returns its sequence number.
    private mutating func schedule(_ subject: Subject, _ target: Int, _ rule: Int) -> UInt64 {
        let sequence = nextSequence
        nextSequence += 1
        queue.append(subject, target: target, rule: rule, sequence: sequence, now: now, duration: durations[rule])
        return sequence
    }

    private mutating func open(_ item: DeadlineQueue.Item, _ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        guard let position = tracks[item.subject]?.firstIndex(where: { $0.sequence == item.sequence }) else { return }
        let track = tracks[item.subject]![position]
        if track.finding != nil, !track.changing { return }
        guard var finding = describe(item, track, graph) else { return }
        finding.time = item.deadline
        if let previous = track.finding {
            finding.id = previous.id
            finding.isAfterGap = previous.isAfterGap
        } else {
            finding.id = number()
        }
        tracks[item.subject]![position].changing = false
        tracks[item.subject]![position].finding = finding
        emit(finding)
    }

    /// The finding in its rule's words, without id and time; nil if its subject is gone.
    private func describe(_ item: DeadlineQueue.Item, _ track: Track, _ graph: borrowing Graph) -> Finding? {
        let verdict = track.verdict
        var finding = Finding(
            id: 0, rule: rules[item.rule].slug, severity: verdict.severity, state: .open, time: 0,
            reachable: verdict.reachable, since: track.since,
            actor: verdict.actor ?? Actor(), deviceOwner: verdict.deviceOwner, message: "",
            isAfterGap: graph.lastGap.map { track.since <= $0.end } ?? false)
        switch item.subject {
        case .peer(let id):
            guard let peer = graph.peer(id),
                let exposure = Exposure(
                    peer, index: item.target, reach: graph.dmaReach(of: peer.container), graph: graph),
                let rule = rules[item.rule].judging.exposure
            else { return nil }
            finding.container = peer.container
            finding.actor = peer.creator
            finding.iova = exposure.target.iova
            finding.size = exposure.target.size
            finding.device = exposure.device.address
            finding.bar = exposure.target.bar
            finding.barOffset = exposure.target.barOffset
            finding.message = rule.message(exposure, graph: graph)
            finding.holdsMSIXTable = verdict.holdsMSIXTable
            if verdict.holdsMSIXTable {
                finding.message += " It holds the MSI-X table: a stray write can raise arbitrary interrupts."
            }
        case .area(let id):
            guard let area = graph.keptArea(id), let rule = rules[item.rule].judging.area else { return nil }
            finding.container = graph.containerID(of: area.device)
            finding.size = area.size
            finding.device = area.device
            finding.bar = area.bar
            finding.barOffset = area.barOffset
            finding.message = rule.message(area, graph: graph)
        case .container(let id):
            guard let container = graph.container(id), let rule = rules[item.rule].judging.container else { return nil }
            finding.container = id
            finding.message = rule.message(container, graph: graph, at: item.deadline)
        }
        return finding
    }

    mutating func number() -> UInt32 {
        defer { nextFinding += 1 }
        return nextFinding
    }

    private mutating func end(_ subject: Subject, _ position: Int, _ emit: (Finding) -> Void) {
        let ended = tracks[subject]!.remove(at: position)
        if tracks[subject]!.isEmpty { tracks[subject] = nil }
        resolve(ended, emit)
    }

    /// Resolves all conditions of a subject that is gone.
    mutating func drop(_ subject: Subject, _ emit: (Finding) -> Void) {
        guard let ended = tracks.removeValue(forKey: subject) else { return }
        for track in ended { resolve(track, emit) }
    }

    private func resolve(_ track: Track, _ emit: (Finding) -> Void) {
        guard var finding = track.finding else { return }
        finding.state = .resolved
        finding.time = now
        finding.until = now
        emit(finding)
    }
}
