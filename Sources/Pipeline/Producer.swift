// SPDX-License-Identifier: Apache-2.0
import Events

/// A source of events: live tracing, a recording, a timeline.
public protocol Producer {
    associatedtype ProducerError: Error

    /// What is known about the machine and the tracing; nil if the source does not contain it.
    var session: Session? { get }

    /// Hands the session and every event up to `limit`, inclusive, to `pipeline`. Returns the
    /// evidence: how complete the events are. Does not finish the pipeline.
    ///
    /// - Parameter limit: nanoseconds since boot.
    mutating func produce<Observer: ~Copyable>(into pipeline: inout Pipeline<Observer>, until limit: UInt64)
        throws(ProducerError)
        -> Evidence
}
