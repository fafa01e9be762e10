// SPDX-License-Identifier: Apache-2.0
// json-encoder RECORDING: writes the map and unmap lines of the recording's timeline to stdout with
// Foundation's JSONEncoder. The suite `replay` checks that they equal the tool's.
import Events
import Foundation

let path = CommandLine.arguments.dropFirst().first ?? ""
let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
try data.withUnsafeBytes { bytes in
    var reader = try RecordingReader(bytes, path: path)
    let lines = Lines(clockOffset: reader.session?.clockOffset ?? 0)
    var decoder = RecordDecoder()
    var containers: [IOMMUKey: String] = [:]
    reader.forEach { record, count in
        if let event = decoder.decode(record, count: count) {
            let actor = event.actor
            switch event.kind {
            case .iommuOpen(let iommu, _, _): containers[iommu] = "c\(containers.count + 1)"
            case .map(let map):
                try! lines.write(
                    MapLine(
                        t: event.time, time: lines.time(event.time), container: containers[map.iommu]!,
                        pid: actor.process.pid, tid: actor.tid,
                        start: actor.process.start, comm: actor.comm.string, uid: actor.uid, cgroup: actor.cgroup,
                        iova: "0x" + String(map.iova, radix: 16),
                        size: map.size, read: map.readable, write: map.writable, result: map.result, ram: map.size,
                        targets: [], provenance: "observed",
                        began: map.began))
            case .mappingRemoved(let removed):
                try! lines.write(
                    UnmapLine(
                        action: "removed", t: event.time, time: lines.time(event.time),
                        container: containers[removed.iommu]!, pid: actor.process.pid,
                        tid: actor.tid, start: actor.process.start, comm: actor.comm.string, uid: actor.uid,
                        cgroup: actor.cgroup,
                        iova: "0x" + String(removed.iova, radix: 16), size: removed.size, cause: "request"))
            case .unmapRequest(let request):
                try! lines.write(
                    UnmapLine(
                        action: "request", t: event.time, time: lines.time(event.time),
                        container: containers[request.iommu]!, pid: actor.process.pid,
                        tid: actor.tid, start: actor.process.start, comm: actor.comm.string, uid: actor.uid,
                        cgroup: actor.cgroup,
                        iova: "0x" + String(request.iova, radix: 16), size: request.size, flags: request.flags,
                        result: request.result,
                        requested: request.requested))
            default: break
            }
        }
    }
    lines.flush()
}
