// SPDX-License-Identifier: Apache-2.0
import CShim
import Events
import Kernel
import Pipeline

/// Produces the present state of this host, as the events of one snapshot.
package struct SnapshotProducer: Producer {
    private let tracer = Tracer(toolVersion: toolVersion)

    package init() {}

    package var session: Session? { tracer.session }

    /// Attaches, takes the snapshot, traces until it is decided whether what it found is a finding,
    /// and detaches.
    ///
    /// - Throws: `Failure` with exit status 3 if hooks or snapshots do not work on this host.
    package mutating func produce<Observer: ~Copyable>(
        into pipeline: inout Pipeline<Observer>, until limit: UInt64
    ) throws(Failure) -> Evidence {
        do throws(TracerError) {
            return try withUnsafeMutablePointer(to: &pipeline) { pipeline throws(TracerError) in
                tracer.onRecord = { record, count in pipeline.pointee.consume(record, count: count, until: limit) }
                defer { tracer.onRecord = { _, _ in } }
                // Hooks first, then the present state: whatever happens in between is seen by at
                // least one of the two.
                try tracer.start()
                if let absence = tracer.absence { throw absence }
                pipeline.pointee.begin(tracer.session)
                tracer.scanDevices()
                try tracer.takeSnapshot(into: pipeline)
                tracer.scanForKeptBars()
                waitForConditions(pipeline, until: limit)
                return tracer.stop()
            }
        } catch { throw Failure(.cannot, error.description) }
    }

    /// Goes on tracing for as long as the rules' debounce: a mapping that looks stale may belong to
    /// a teardown, and be gone in a moment. Returns at once if no condition holds.
    private func waitForConditions<Observer: ~Copyable>(
        _ pipeline: UnsafeMutablePointer<Pipeline<Observer>>, until limit: UInt64
    ) {
        let end = min(limit, pipeline.pointee.lastTime + pipeline.pointee.longestDebounce + LiveTracing.slack)
        while pipeline.pointee.engine.nextDeadline <= end {
            let now = UInt64(vs_boot_time())
            if now >= pipeline.pointee.engine.nextDeadline + LiveTracing.slack || now >= end + LiveTracing.slack {
                break
            }
            tracer.drain(milliseconds: 50)
            pipeline.pointee.advance(to: UInt64(vs_boot_time()) - LiveTracing.slack)
        }
    }
}
