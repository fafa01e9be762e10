import CShim
import Events
import Findings
import Glibc
import Kernel
import MappingGraph

/// Traces this host until it is told to stop: what `trace`, `record` and `run` share.
final class LiveTracing {
    /// Events of two CPUs can reach the ring this much out of order, in nanoseconds: findings wait
    /// that long before time passes them.
    static let slack: UInt64 = 100_000_000
    /// How much longer than the debounce tracing goes on after the command ended, so that what it
    /// left behind can ripen into a finding.
    static let linger: UInt64 = 200_000_000
    private static let tick: Int32 = 100
    /// How often a recording's block is written although it is not full, nanoseconds: the most that
    /// a SIGKILL of the tool can cost.
    private static let blockInterval: UInt64 = 1_000_000_000
    /// The least time between snapshots after losses, nanoseconds.
    private static let snapshotInterval: UInt64 = 1_000_000_000

    let tracer: Tracer
    let analysis: Analysis
    private let recording: RecordingWriter?
    private var decoder = RecordDecoder()
    private var failure: Failure?
    private var lastBlock: UInt64 = 0
    private var lastSnapshot: UInt64 = 0
    /// Hooks came late: the graph has to be made the kernel's again, as it has after a loss.
    private var hooksChanged = false
    private var requestsSeen: Int32 = 0
    private(set) var commandStatus: Int32?
    private var snapshotFailure: String?

    init(analysis: Analysis, recording: RecordingWriter?, options: Tracer.Options) {
        tracer = Tracer(toolVersion: toolVersion, options: options)
        self.analysis = analysis
        self.recording = recording
    }

    /// Traces until a signal, the end of `duration` or of `command`; gives what was seen of what
    /// happened.
    func run(duration: DurationArgument?, command: [String]) throws -> Evidence {
        vs_catch_signals()
        tracer.onRecord = { [unowned self] record, count in take(record, count) }
        tracer.onHooksChanged = { [unowned self] session in
            attempt { try recording?.append(session) }
            hooksChanged = true
        }
        do { try tracer.start() } catch { throw Failure(.cannot, error.description) }
        analysis.begin(tracer.session)
        attempt { try recording?.append(tracer.session) }
        tracer.scanDevices()
        // Hooks first, present state second: what happens in between is seen by one of them at
        // least.
        if tracer.hasVFIO { takeSnapshot() }
        if !tracer.hasVFIO { say("vfioscope: VFIO is not loaded yet; tracing begins when vfio_iommu_type1 is") }

        var child = command.isEmpty ? nil : try ChildProcess(command)
        let end = duration.map { UInt64(vs_boot_time()) + $0.nanoseconds } ?? .max
        var lingerUntil: UInt64?
        var forwarded: Int32 = 0
        while failure == nil {
            tracer.drain(milliseconds: Self.tick)
            let now = UInt64(vs_boot_time())
            if hooksChanged || analysis.graph.needsSnapshot, now - lastSnapshot > Self.snapshotInterval {
                takeSnapshot()
            }
            if vs_snapshot_requests() != requestsSeen { answerRequest() }
            analysis.advance(to: now - Self.slack)
            analysis.flush()
            if now - lastBlock > Self.blockInterval {
                lastBlock = now
                attempt { try recording?.flush() }
            }
            let caught = vs_caught_signal()
            if let running = child, commandStatus == nil {
                // The command decides when it ends; a signal to the tool is passed on.
                if caught != 0, caught != forwarded {
                    forwarded = caught
                    running.signal(caught)
                }
                if child!.poll() {
                    commandStatus = child!.status
                    lingerUntil = analysis.graph.hasMappings ? now + analysis.longestDebounce + Self.linger : now
                } else if now >= end {
                    running.signal(SIGTERM)
                }
            } else if child == nil, caught != 0 || now >= end {
                break
            }
            if let lingerUntil, now >= lingerUntil || caught != forwarded { break }
        }
        tracer.settle()
        if analysis.graph.needsSnapshot, failure == nil { takeSnapshot() }
        var evidence = tracer.stop()
        if let snapshotFailure { evidence.defects.append(snapshotFailure) }
        if !tracer.hasVFIO, failure == nil {
            failure = Failure(.cannot, TracerError.noVFIO(release: tracer.session.kernel).description)
        }
        let losses = tracer.losses.map { "\($0.lost) of \($0.name)" }
        if !losses.isEmpty { say("vfioscope: lost: \(losses.joined(separator: ", "))") }
        evidence = analysis.finish(evidence)
        attempt { try recording?.finish(evidence) }
        if let failure { throw failure }
        return evidence
    }

    /// Makes the graph the kernel's. What keeps it from that is told once, at the end.
    private func takeSnapshot() {
        hooksChanged = false
        do throws(TracerError) {
            try tracer.takeSnapshot(for: analysis)
        } catch {
            // vfio-pci may be still to come; its hooks will ask again.
            if case .noVFIO = error {
            } else {
                snapshotFailure = "the kernel's present state could not be read: \(error.description)"
            }
        }
        lastSnapshot = UInt64(vs_boot_time())
    }

    /// SIGUSR1: compares the graph with the kernel's state and says how they compare.
    private func answerRequest() {
        requestsSeen = vs_snapshot_requests()
        let before = analysis.graph.lastSnapshot?.ended
        takeSnapshot()
        guard let result = analysis.graph.lastSnapshot, result.ended != before else {
            return say("vfioscope: snapshot: none could be taken")
        }
        say(
            "vfioscope: snapshot: \(count(result.containers, "container")), \(count(result.mappings, "mapping")), "
                + "\(count(result.differences, "difference")), "
                + "\((result.ended - result.began) / 1_000_000) ms")
    }

    private func count(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }

    /// Stops tracing because `reason`; the first one is reported.
    func fail(_ reason: Failure) { if failure == nil { failure = reason } }

    private func take(_ record: UnsafeRawPointer, _ count: Int) {
        attempt { try recording?.append(record, count: count) }
        analysis.consume(record, count: count, &decoder)
    }

    /// Does something to the recording; the first failure ends the tracing.
    private func attempt(_ body: () throws -> Void) {
        do { try body() } catch { fail(Failure(.cannot, "\(error)")) }
    }
}

extension Tracer {
    /// Makes the graph the kernel's: a snapshot during which something is lost is void, and as a
    /// rule the next is not.
    func takeSnapshot(for analysis: Analysis) throws(TracerError) {
        for _ in 0..<3 {
            try takeSnapshot()
            drain(milliseconds: 0)
            if !analysis.graph.needsSnapshot { break }
        }
    }
}
