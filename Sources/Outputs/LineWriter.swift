// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
import Pipeline
import Policies

/// Writes the events and findings of a pipeline in a stream format.
public struct LineWriter: PipelineObserver, ~Copyable {
    private var format: any EventOutput
    private var out: ByteWriter

    /// - Parameter sink: receives whole lines; the bytes are valid during the call.
    public init(_ format: any EventOutput, to sink: @escaping (UnsafeRawBufferPointer) -> Void) {
        self.format = format
        out = ByteWriter(sink: sink)
    }

    /// Bytes written so far.
    public var written: UInt64 { out.total }

    public mutating func begin(_ session: Session, devices: [DeviceInfo]) {
        format.begin(session, devices: devices, into: &out)
    }

    public mutating func event(_ event: Event, applied: borrowing Applied, graph: borrowing Graph) {
        format.event(event, applied: applied, graph: graph, into: &out)
    }

    public mutating func ordinary(
        _ record: OrdinaryRecord, details: () -> OrdinaryRecord.Details, applied: borrowing Applied,
        graph: borrowing Graph
    ) {
        format.ordinary(record, details(), applied: applied, graph: graph, into: &out)
    }

    public mutating func finding(_ judged: JudgedFinding, graph: borrowing Graph) {
        format.finding(judged.finding, suppressed: judged.suppressed, graph: graph, into: &out)
    }

    public mutating func end(_ evidence: Evidence, graph: borrowing Graph) {
        format.end(evidence, graph: graph, into: &out)
        out.flush()
    }

    public mutating func flush() { out.flush() }
}
