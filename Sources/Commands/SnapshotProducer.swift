// SPDX-License-Identifier: Apache-2.0
import Events
import Kernel
import Pipeline

/// Produces the present state of this host, as the events of one snapshot.
package struct SnapshotProducer: Producer {
    private let tracer = Tracer(toolVersion: toolVersion)

    package init() {}

    package var session: Session? { tracer.session }

    /// Attaches, takes the snapshot and detaches.
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
                guard tracer.hasVFIO else { throw .noVFIO(release: tracer.session.kernel) }
                pipeline.pointee.begin(tracer.session)
                tracer.scanDevices()
                try tracer.takeSnapshot(into: pipeline)
                tracer.scanForKeptBars()
                return tracer.stop()
            }
        } catch { throw Failure(.cannot, error.description) }
    }
}
