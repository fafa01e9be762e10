import Events
import MappingGraph

/// Applies the rules to the graph as it changes, and says when a condition has held for longer than the debounce.
///
/// For each event, in this order: `advance(to: event.time…)`, then `Graph.apply`, then `apply`: a deadline is judged by the state that held
/// at it. All time is event time, so a replay says what the live trace said; call `advance` on its own only up to a time before which every
/// event has been seen. How often that is done changes nothing. A RAM-only map or unmap costs two comparisons.
public struct Engine: Sendable {
    /// A condition that holds: pending while `finding` is nil, open after.
    private struct Track: Sendable {
        var rule: Int
        var target: Int
        var sequence: UInt64
        var since: UInt64
        var verdict: Verdict
        var finding: Finding?
        /// The verdict differs from what was said, and a deadline is set for saying so.
        var changing = false
    }

    public let rules: [any Rule]
    /// How long a condition must hold before it is said, nanoseconds; one that holds for exactly as long is said.
    public let debounce: UInt64

    /// The latest event: two CPUs' records can be a little out of order, and time here never goes back.
    private var now: UInt64 = 0
    /// By `PeerMapping.id`: only for mappings of which some condition holds.
    private var tracks: [UInt32: [Track]] = [:]
    private var queue = DeadlineQueue()
    private var nextSequence: UInt64 = 0
    private var nextFinding: UInt32 = 1

    public init(rules: [any Rule] = RuleRegistry.all, debounce: UInt64 = 500_000_000) {
        self.rules = rules
        self.debounce = debounce
    }

    /// Findings that are open, by id. O(*n* log *n*) in the mappings of which some condition holds.
    public var openFindings: [Finding] {
        tracks.values.joined().compactMap(\.finding).sorted { $0.id < $1.id }
    }

    /// Opens and changes the findings whose debounce has passed by `time`, inclusive, in order of their deadlines. Their `time` is the deadline.
    public mutating func advance(to time: UInt64, graph: borrowing Graph, emit: (Finding) -> Void) {
        guard queue.next <= time else { return }
        while let item = queue.pop(upTo: time) { open(item, graph, emit) }
    }

    /// The end of tracing: what is due opens, and what is open stays so.
    public mutating func finish(at time: UInt64, graph: borrowing Graph, emit: (Finding) -> Void) {
        advance(to: time, graph: graph, emit: emit)
    }

    /// Judges what an event changed, after the graph has taken it in.
    public mutating func apply(_ event: Event, applied: Applied, graph: borrowing Graph, emit: (Finding) -> Void) {
        if event.time > now { now = event.time }
        if let gone = applied.removed?.peer, !tracks.isEmpty { drop(gone, emit) }
        if applied.cleared {
            for id in tracks.keys.sorted() where graph.peer(id) == nil { drop(id, emit) }
        }
        switch applied.affects {
        case .nothing: return
        case .mapping: if let id = applied.peer { judge(id, graph, emit) }
        case .device(let address): for id in graph.peerIDs(targeting: address) { judge(id, graph, emit) }
        case .bus, .group, .process, .everything: for id in affectedPeers(applied.affects, graph) { judge(id, graph, emit) }
        }
    }

    /// Ascending, each once. O(targeted devices + their mappings): for events that are rare.
    private func affectedPeers(_ affected: Applied.Affected, _ graph: borrowing Graph) -> [UInt32] {
        var ids: Set<UInt32> = []
        for address in graph.targetedDevices {
            let device = graph.device(address)
            switch affected {
            case .bus(let other): if address.isOnSameBus(as: other) { ids.formUnion(graph.peerIDs(targeting: address)) }
            case .group(let number): if device?.group == number { ids.formUnion(graph.peerIDs(targeting: address)) }
            case .process(let process):
                let isOpener = device?.opener?.process == process
                for peer in graph.peers(targeting: address) where isOpener || peer.creator.process == process { ids.insert(peer.id) }
            case .everything: ids.formUnion(graph.peerIDs(targeting: address))
            case .nothing, .mapping, .device: break
            }
        }
        return ids.sorted()
    }

    private mutating func judge(_ id: UInt32, _ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        guard let peer = graph.peer(id) else { return }
        for target in peer.targets.indices {
            guard let exposure = Exposure(peer, index: target, graph: graph) else { continue }
            for rule in rules.indices {
                update(rule, exposure, rules[rule].evaluate(exposure, graph: graph), graph, emit)
            }
        }
    }

    private mutating func update(_ rule: Int, _ exposure: Exposure, _ verdict: Verdict?, _ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        let id = exposure.peer.id
        let at = tracks[id]?.firstIndex { $0.rule == rule && $0.target == exposure.index }
        guard let verdict else {
            guard let at else { return }
            let ended = tracks[id]!.remove(at: at)
            if tracks[id]!.isEmpty { tracks[id] = nil }
            resolve(ended, emit)
            return
        }
        guard let at else {
            begin(rule, exposure, verdict)
            return
        }
        tracks[id]![at].verdict = verdict
        guard let finding = tracks[id]![at].finding else { return }
        // A change has to last as long as the condition itself: a device that is reset while it is stale flickers.
        if finding.severity == verdict.severity && finding.reachable == verdict.reachable {
            tracks[id]![at].changing = false
        } else if !tracks[id]![at].changing {
            tracks[id]![at].changing = true
            tracks[id]![at].sequence = schedule(peer: id, target: exposure.index, rule: rule)
        }
    }

    private mutating func begin(_ rule: Int, _ exposure: Exposure, _ verdict: Verdict) {
        let sequence = schedule(peer: exposure.peer.id, target: exposure.index, rule: rule)
        tracks[exposure.peer.id, default: []].append(
            Track(rule: rule, target: exposure.index, sequence: sequence, since: now, verdict: verdict, finding: nil))
    }

    /// Puts a deadline into the queue and gives its number.
    private mutating func schedule(peer: UInt32, target: Int, rule: Int) -> UInt64 {
        let (sum, overflow) = now.addingReportingOverflow(debounce)
        let sequence = nextSequence
        nextSequence += 1
        queue.append(.init(deadline: overflow ? .max : sum, sequence: sequence, peer: peer, target: target, rule: rule))
        return sequence
    }

    private mutating func open(_ item: DeadlineQueue.Item, _ graph: borrowing Graph, _ emit: (Finding) -> Void) {
        guard let at = tracks[item.peer]?.firstIndex(where: { $0.sequence == item.sequence }), let peer = graph.peer(item.peer),
              let exposure = Exposure(peer, index: item.target, graph: graph) else { return }
        let verdict = tracks[item.peer]![at].verdict
        if let finding = tracks[item.peer]![at].finding {
            guard tracks[item.peer]![at].changing else { return }
            tracks[item.peer]![at].changing = false
            change(finding, to: verdict, item, rules[item.rule].message(exposure, graph: graph), at, emit)
            return
        }
        let finding = Finding(
            id: nextFinding, rule: rules[item.rule].slug, severity: verdict.severity, state: .open, time: item.deadline, container: peer.container,
            iova: exposure.target.iova, size: exposure.target.size, device: exposure.device.address, bar: exposure.target.bar,
            barOffset: exposure.target.barOffset, reachable: verdict.reachable, since: tracks[item.peer]![at].since, until: nil,
            actor: peer.creator, deviceOwner: verdict.deviceOwner, message: rules[item.rule].message(exposure, graph: graph),
            isAfterGap: graph.lastGap.map { tracks[item.peer]![at].since <= $0.end } ?? false)
        nextFinding += 1
        tracks[item.peer]![at].finding = finding
        emit(finding)
    }

    private mutating func change(_ finding: Finding, to verdict: Verdict, _ item: DeadlineQueue.Item, _ message: String, _ at: Int, _ emit: (Finding) -> Void) {
        var finding = finding
        finding.time = item.deadline
        finding.severity = verdict.severity
        finding.reachable = verdict.reachable
        finding.deviceOwner = verdict.deviceOwner
        finding.message = message
        tracks[item.peer]![at].finding = finding
        emit(finding)
    }

    /// The mapping is gone, and every condition with it.
    private mutating func drop(_ id: UInt32, _ emit: (Finding) -> Void) {
        guard let ended = tracks.removeValue(forKey: id) else { return }
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
