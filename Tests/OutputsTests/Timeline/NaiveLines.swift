// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
@testable import Outputs

/// Lines of mappings by the shortest code that can be right: what `JSONLines` is compared with.
struct NaiveLines {
    var clockOffset: Int64
    var showVaddr: Bool

    func line(_ event: Event, in container: ContainerID?) -> String {
        let members: [String]
        switch event.kind {
        case .map(let map): members = [#""type":"map""#] + beginning(event, container) + self.members(map)
        case .mappingRemoved(let removal):
            members =
                [#""type":"unmap""#, #""action":"removed""#] + beginning(event, container)
                + range(removal.iova, removal.size) + [#""cause":"\#(removal.cause.word)""#]
        case .unmapRequest(let request):
            members =
                [#""type":"unmap""#, #""action":"request""#] + beginning(event, container)
                + range(request.iova, request.size)
                + [#""flags":\#(request.flags)"#] + (request.requested.map { [#""requested":\#($0)"#] } ?? [])
                + result(request.result)
        default: members = []
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    private func members(_ map: MapRequest) -> [String] {
        var members = range(map.iova, map.size)
        if showVaddr { members.append(#""vaddr":"0x\#(String(map.vaddr, radix: 16))""#) }
        members += [#""read":\#(map.readable)"#, #""write":\#(map.writable)"#] + result(map.result)
        members += [
            #""ram":\#(map.isTargetUnknown ? 0 : map.size - min(map.size, map.deviceBytes))"#, #""targets":[]"#,
            #""provenance":"\#(map.provenance.word)""#,
        ]
        if map.began != 0 { members.append(#""began":\#(map.began)"#) }
        if map.moreExtents { members.append(#""more_targets":true"#) }
        if map.vaddrOnly { members.append(#""vaddr_only":true"#) }
        if let backing = map.backing {
            members += [
                #""backing":"\#(backing.kind.word)""#, #""backing_device":\#(backing.device)"#,
                #""backing_inode":\#(backing.inode)"#,
                #""backing_offset":\#(backing.offset)"#,
            ]
        }
        if map.isMemoryGone { members.append(#""mm_gone":true"#) }
        if map.isTargetUnknown { members.append(#""target_unknown":true"#) }
        return members
    }

    private func beginning(_ event: Event, _ container: ContainerID?) -> [String] {
        let actor = event.actor
        var members = [
            #""t":\#(event.time)"#, #""time":"\#(Self.time(Int64(truncatingIfNeeded: event.time) &+ clockOffset))""#,
        ]
        if actor != Actor() {
            members += [
                #""pid":\#(actor.process.pid)"#, #""tid":\#(actor.tid)"#, #""start":\#(actor.process.start)"#,
                #""comm":\#(text(ByteWriter.gather { $0.append(json: actor.comm) }))"#, #""uid":\#(actor.uid)"#,
                #""cgroup":\#(actor.cgroup)"#,
            ]
        }
        return members + (container.map { [#""container":"\#($0)""#] } ?? [])
    }

    private func range(_ iova: UInt64, _ size: UInt64) -> [String] {
        [#""iova":"0x\#(String(iova, radix: 16))""#, #""size":\#(size)"#]
    }

    private func result(_ result: Int32) -> [String] {
        let name = result < 0 && result > .min ? Errno.name(-result) : nil
        return [#""result":\#(result)"#] + (name.map { [#""error":"\#($0)""#] } ?? [])
    }

    /// RFC 3339, the days counted one by one.
    static func time(_ unixNanoseconds: Int64) -> String {
        var second = unixNanoseconds / 1_000_000_000
        var rest = unixNanoseconds % 1_000_000_000
        if rest < 0 { (second, rest) = (second - 1, rest + 1_000_000_000) }
        var year: Int64 = 1600, month = 0
        // 1600-01-01 was 135,140 days before 1970.
        var day = (second + 135_140 * 86_400) / 86_400
        let time = (second + 135_140 * 86_400) % 86_400
        func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
        while day >= (isLeap(year) ? 366 : 365) {
            day -= isLeap(year) ? 366 : 365
            year += 1
        }
        let lengths: [Int64] = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        while day >= lengths[month] {
            day -= lengths[month]
            month += 1
        }
        func padded(_ value: Int64, _ digits: Int) -> String {
            String(repeating: "0", count: digits - String(value).count) + String(value)
        }
        return
            "\(year)-\(padded(Int64(month) + 1, 2))-\(padded(day + 1, 2))T"
            + "\(padded(time / 3600, 2)):\(padded(time / 60 % 60, 2)):\(padded(time % 60, 2))"
            + ".\(padded(rest, 9))Z"
    }
}
