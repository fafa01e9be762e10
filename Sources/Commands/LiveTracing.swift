// SPDX-License-Identifier: Apache-2.0
import CShim
import Events
import Glibc
import Kernel
import MappingGraph
import Pipeline

/// Traces this host and produces its events as they happen, for `trace`, `record` and `run`.
///
/// The tracer calls back with each record, from within `drain` and `takeSnapshot`. So the pipeline
/// is reached through a pointer, which is valid while `produce` runs.
package final class LiveTracing: Producer {
    /// Records of two CPUs can reach the ring out of order by this much (nanoseconds). So event
    /// time follows the clock at this distance.
    static let slack: UInt64 = 100_000_000
    /// After the command has ended, tracing continues for the debounce and this much longer
    /// (nanoseconds), so that what the command left behind can become a finding.
    private static let linger: UInt64 = 200_000_000
    /// How long a step waits for records, in milliseconds.
    private static let tick: Int32 = 100
    /// A block of the recording is written at least this often (nanoseconds), even if it is not
    /// full. So a SIGKILL of the tool loses at most this much.
    private static let blockInterval: UInt64 = 1_000_000_000
    /// The least time between snapshots after losses, nanoseconds.
    private static let snapshotInterval: UInt64 = 1_000_000_000

    /// An ordinary teardown takes less than this after the exit, nanoseconds.
    private static let teardownTime: UInt64 = 300_000_000

    package let tracer: Tracer
    private let recording: RecordingWriter?
    private let duration: DurationArgument?
    private let command: [String]
    /// The command's exit status once it has ended, as a shell reports it.
    package private(set) var commandStatus: Int32?

    private var failure: Failure?
    private var lastBlock: UInt64 = 0
    private var lastSnapshot: UInt64 = 0
    /// Hooks were attached late: the graph must be synchronised with the kernel, as after a loss.
    private var hooksChanged = false
    private var requestsSeen: Int32 = 0
    private var snapshotFailure: String?

    /// - Parameters:
    ///   - recording: receives every record; nil records nothing.
    ///   - duration: how long to trace once everything is attached; nil traces until a signal.
    ///   - command: the command to follow and its arguments; empty for none.
    package init(
        recording: RecordingWriter? = nil, options: Tracer.Options, duration: DurationArgument? = nil,
        command: [String] = []
    ) {
        tracer = Tracer(toolVersion: toolVersion, options: options)
        self.recording = recording
        self.duration = duration
        self.command = command
    }

    package var session: Session? { tracer.session }

    /// Traces until a signal arrives, or the duration or the command ends. Then finishes the
    /// pipeline and the recording, and returns the evidence.
    ///
    /// - Throws: `Failure` if tracing could not begin, or ended early.
    package func run(_ pipeline: inout AnalysisPipeline) throws -> Evidence {
        let evidence = pipeline.finish(try produce(into: &pipeline, until: .max))
        attempt { try recording?.finish(evidence) }
        if let failure { throw failure }
        return evidence
    }

    /// Traces until a signal arrives, `limit` is reached, or the duration or the command ends.
    /// Returns the evidence.
    package func produce<Observer: ~Copyable>(into pipeline: inout Pipeline<Observer>, until limit: UInt64) throws
        -> Evidence
    {
        try withUnsafeMutablePointer(to: &pipeline) { pipeline in
            tracer.onRecord = { [unowned self] record, count in
                attempt { try recording?.append(record, count: count) }
                pipeline.pointee.consume(record, count: count)
            }
            defer { tracer.onRecord = { _, _ in } }
            return try trace(into: pipeline, until: limit)
        }
    }

    /// Stops tracing because of `reason`. If there are several reasons, the first is reported.
    package func fail(_ reason: Failure) { if failure == nil { failure = reason } }

    private func trace<Observer: ~Copyable>(
        into pipeline: UnsafeMutablePointer<Pipeline<Observer>>, until limit: UInt64
    ) throws
        -> Evidence
    {
        try start(pipeline)
        var child = command.isEmpty ? nil : try ChildProcess(command)
        let end = min(limit, duration.map { UInt64(vs_boot_time()) + $0.nanoseconds } ?? .max)
        var lingerUntil: UInt64?
        var forwarded: Int32 = 0
        while failure == nil {
            let now = step(pipeline)
            let caught = vs_caught_signal()
            if let running = child, commandStatus == nil {
                // The command decides when it ends; a signal to the tool is passed on.
                if caught != 0, caught != forwarded {
                    forwarded = caught
                    running.signal(caught)
                }
                if child!.poll() {
                    commandStatus = child!.status
                    let wait = pipeline.pointee.graph.hasMappings ? pipeline.pointee.longestDebounce + Self.linger : 0
                    lingerUntil = now + wait
                } else if now >= end {
                    running.signal(SIGTERM)
                }
            } else if child == nil, caught != 0 || now >= end {
                break
            }
            if let lingerUntil, now >= lingerUntil || caught != forwarded { break }
        }
        return stop(pipeline)
    }

    /// Attaches the hooks first, then takes a snapshot: whatever happens in between is seen by at
    /// least one of the two.
    private func start<Observer: ~Copyable>(_ pipeline: UnsafeMutablePointer<Pipeline<Observer>>) throws {
        vs_catch_signals()
        tracer.onHooksChanged = { [unowned self] session in
            attempt { try recording?.append(session) }
            hooksChanged = true
        }
        do { try tracer.start() } catch { throw Failure(.cannot, error.description) }
        pipeline.pointee.begin(tracer.session)
        attempt { try recording?.append(tracer.session) }
        tracer.scanDevices()
        switch tracer.absence {
        case nil: takeSnapshot(pipeline)
        case .onlyIOMMUFD:
            printLine("vfioscope: only iommufd is in use on this host; tracing begins when vfio_iommu_type1 is loaded")
        default: printLine("vfioscope: VFIO is not loaded yet; tracing begins when vfio_iommu_type1 is loaded")
        }
    }

    /// Consumes the records in the ring, takes a snapshot if one is due, and lets event time and
    /// the recording follow the clock. Returns the time, in nanoseconds since boot.
    private func step<Observer: ~Copyable>(_ pipeline: UnsafeMutablePointer<Pipeline<Observer>>) -> UInt64 {
        tracer.drain(milliseconds: Self.tick)
        let now = UInt64(vs_boot_time())
        if hooksChanged || pipeline.pointee.graph.needsSnapshot || isHolderUnknown(pipeline.pointee.graph, now),
            now - lastSnapshot > Self.snapshotInterval
        {
            takeSnapshot(pipeline)
        }
        if vs_snapshot_requests() != requestsSeen { answerRequest(pipeline) }
        pipeline.pointee.advance(to: now - Self.slack)
        pipeline.pointee.flush()
        if now - lastBlock > Self.blockInterval {
            lastBlock = now
            attempt { try recording?.flush() }
        }
        return now
    }

    /// Whether to look who holds what a process held that has exited. An ordinary teardown is over
    /// before that; in a slow one, nobody is found.
    private func isHolderUnknown(_ graph: borrowing Graph, _ now: UInt64) -> Bool {
        guard let since = graph.holdersUnknownSince, now > since + Self.teardownTime else { return false }
        return graph.awaitsHolders
    }

    private func stop<Observer: ~Copyable>(_ pipeline: UnsafeMutablePointer<Pipeline<Observer>>) -> Evidence {
        tracer.settle()
        if pipeline.pointee.graph.needsSnapshot, failure == nil { takeSnapshot(pipeline) }
        var evidence = tracer.stop()
        if let snapshotFailure { evidence.defects.append(snapshotFailure) }
        if let absence = tracer.absence, failure == nil { failure = Failure(.cannot, absence.description) }
        let losses = tracer.losses.map { "\($0.lost) of \($0.name)" }
        if !losses.isEmpty { printLine("vfioscope: lost records: \(losses.joined(separator: ", "))") }
        return evidence
    }

    /// Synchronises the graph with the kernel by a snapshot. A failure is reported once, at the
    /// end.
    private func takeSnapshot<Observer: ~Copyable>(_ pipeline: UnsafeMutablePointer<Pipeline<Observer>>) {
        hooksChanged = false
        do throws(TracerError) {
            try tracer.takeSnapshot(into: pipeline)
        } catch {
            // vfio-pci may not be loaded yet. When its hooks are attached, another snapshot is
            // taken.
            switch error {
            case .noVFIO, .onlyIOMMUFD: break
            default:
                snapshotFailure = "the kernel's present state could not be read: \(error.description)"
            }
        }
        lastSnapshot = UInt64(vs_boot_time())
    }

    /// Answers SIGUSR1: takes a snapshot and reports how the graph differed from it.
    private func answerRequest<Observer: ~Copyable>(_ pipeline: UnsafeMutablePointer<Pipeline<Observer>>) {
        requestsSeen = vs_snapshot_requests()
        let before = pipeline.pointee.graph.lastSnapshot?.ended
        takeSnapshot(pipeline)
        guard let result = pipeline.pointee.graph.lastSnapshot, result.ended != before else {
            return printLine("vfioscope: snapshot: failed, so the graph was not compared")
        }
        printLine(
            "vfioscope: snapshot: \(count(result.containers, "container")), \(count(result.mappings, "mapping")), "
                + "\(count(result.differences, "difference")), "
                + "\((result.ended - result.began) / 1_000_000) ms")
    }

    private func count(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }

    /// Runs an operation on the recording. The first failure ends tracing.
    private func attempt(_ body: () throws -> Void) {
        do { try body() } catch { fail(Failure(.cannot, "\(error)")) }
    }
}

extension Tracer {
    /// Takes snapshots until one is valid, three at most: a loss makes a snapshot void, and usually
    /// the next one succeeds. The tracer's `onRecord` must lead to `pipeline`.
    package func takeSnapshot<Observer: ~Copyable>(into pipeline: UnsafeMutablePointer<Pipeline<Observer>>)
        throws(TracerError)
    {
        for _ in 0..<3 {
            try takeSnapshot()
            drain(milliseconds: 0)
            if !pipeline.pointee.graph.needsSnapshot { break }
        }
    }
}
