// SPDX-License-Identifier: Apache-2.0
import Testing
@testable import Events

// Tests how a timeline is read, and which defects broken lines cause.

private let header =
    #"{"type":"header","schema":"vfioscope.timeline/1","t":5,"time":"x","tool":"1","kernel":"6.1","machine":"x86_64","#
    + #""boot_id":"b","#
    + #""clock_offset":-7,"hooks":[],"devices":[{"device":"0000:65:00.0","group":30,"vendor":"0x8086","#
    + #""device_id":"0x10d3","class":"0x020000","#
    + #""driver":"vfio-pci","bars":[{"bar":0,"address":"0x3800000000","size":1048576}]}]}"#
private let summary =
    #"{"type":"summary","t":99,"time":"x","events":{},"findings":{},"attempted":10,"delivered":9,"lost":1,"#
    + #""complete":false}"#

private func read(_ text: some StringProtocol) throws -> (events: [Event], reader: TimelineReader) {
    try read(Array(text.utf8))
}

private func read(_ bytes: [UInt8]) throws -> (events: [Event], reader: TimelineReader) {
    var reader = TimelineReader()
    var events: [Event] = []
    try bytes.withUnsafeBytes { try reader.read($0) { events.append($0) } }
    try reader.finish { events.append($0) }
    return (events, reader)
}

/// Reads one line between a header and a summary. A defect fails the test.
private func events(_ line: String) throws -> [Event] {
    let (events, reader) = try read(header + "\n" + line + "\n" + summary + "\n")
    #expect(reader.evidence.defects == [])
    return events
}

/// The defect that one broken line causes.
private func defect(_ line: String) throws -> String? {
    let (_, reader) = try read(header + "\n" + line + "\n" + summary + "\n")
    #expect(reader.evidence.defects.count == 1 && reader.brokenLines == 1)
    return reader.evidence.defects.first
}

@Suite struct TimelineReaderTests {
    @Test func headerAndSummary() throws {
        let (events, reader) = try read(header + "\n" + summary + "\n")
        #expect(events.isEmpty)
        #expect(
            reader.session
                == Session(
                    toolVersion: "1", kernel: "6.1", machine: "x86_64", bootID: "b", clockOffset: -7, began: 5,
                    hooks: []))
        #expect(reader.evidence == Evidence(attempted: 10, delivered: 9, lost: 1, ended: 99))
        #expect(
            reader.devices.count == 1 && reader.devices[0].group == 30 && reader.devices[0].vendorID == 0x8086
                && reader.devices[0].classCode == 0x20000)
        #expect(reader.devices[0].bars[0] == Bar(address: 0x38_0000_0000, size: 1 << 20))
    }

    @Test func keysInAnyOrderUnknownOnesAndSpace() throws {
        let found = try events(
            " { \"new\" : {\"a\":[1,2,{\"b\":null}]} ,\t\"size\":4096, \"iova\" : \"0xFF000\",\"container\":\"c3\" "
                + ",\"t\":7,\"x\":-1.5e-3, \"type\":\"map\"}\r"
        )
        guard case .map(let map)? = found.first?.kind else { return #expect(Bool(false)) }
        #expect(
            found.count == 1 && map.iova == 0xff000 && map.size == 4096 && map.iommu == IOMMUKey(3) && map.readable
                && map.writable && map.result == 0)
        #expect(found[0].time == 7 && found[0].actor == Actor())
    }

    @Test func numbersAreExact() throws {
        let found = try events(
            #"{"type":"map","t":18446744073709551615,"container":"c1","iova":"0xffffffffffffffff","#
                + #""size":18446744073709551615,"#
                + #""result":-2147483648,"pid":4294967295,"tid":1,"start":18446744073709551615,"comm":"a","#
                + #""uid":4294967295,"cgroup":18446744073709551615}"#
        )
        guard case .map(let map)? = found.first?.kind else { return #expect(Bool(false)) }
        #expect(map.iova == .max && map.size == .max && map.result == .min && found[0].time == .max)
        #expect(
            found[0].actor
                == Actor(process: ProcessKey(pid: .max, start: .max), tid: 1, uid: .max, cgroup: .max, comm: Comm("a")))
    }

    @Test func targetsBecomeExtents() throws {
        let found = try events(
            #"{"type":"map","t":7,"container":"c1","iova":"0x1000","size":12288,"ram":0,"pid":1,"tid":2,"targets":["#
                + #"{"device":"0000:65:00.0","bar":0,"bar_offset":8192,"iova":"0x1000","size":4096},"#
                + #"{"device":"0000:66:00.0","bar":0,"bar_offset":8192,"iova":"0x2000","size":4096},"#
                + #"{"size":4096,"iova":"0x3000","bar_offset":null,"bar":null,"device":null}]}"#)
        // The device of the second target is unknown, and the third target continues it.
        try #require(found.count == 3)
        guard case .extent(let first) = found[0].kind, case .extent(let second) = found[1].kind,
            case .map(let map) = found[2].kind
        else {
            return #expect(Bool(false))
        }
        #expect(first.address == 0x38_0000_2000 && first.iova == 0x1000 && first.size == 4096)
        #expect(second.address >= 1 << 52)
        #expect(map.extentCount == 2 && map.deviceBytes == 12288)
        #expect(found[0].actor.tid == 2 && found[0].time == 7)
    }

    @Test func barsFollowTheDevice() throws {
        let device = #""device":"0000:65:00.0","vendor":"0x1","device_id":"0x1","class":"0x0","driver":null"#
        let map = #"{"type":"device","action":"mmap","t":7,"device":"0000:65:00.0","bar":0,"bar_offset":16,"size":1}"#
        func address(_ lines: [String]) throws -> UInt64? {
            let (events, _) = try read(([header] + lines + [map, summary]).joined(separator: "\n"))
            guard case .barMmap(let mmap)? = events.last?.kind else { return nil }
            return mmap.address
        }
        #expect(try address([]) == 0x38_0000_0010)
        #expect(
            try address([
                #"{"type":"device","action":"bind","t":6,\#(device),"bars":[{"bar":0,"address":"0x5000","size":4096}]}"#
            ]) == 0x5010)
        #expect(try address([#"{"type":"device","action":"unbind","t":6,\#(device),"bars":[]}"#]) == 0x38_0000_0010)
        #expect(try address([#"{"type":"device","action":"add","t":6,\#(device),"bars":[]}"#]) == 0)
    }

    @Test func strings() throws {
        let found = try events(
            #"{"type":"process","action":"info","t":7,"pid":1,"comm":"a\u0000b","#
                + #""exe":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800x","vm":"é"}"#
        )
        guard case .processInfo(let info)? = found.first?.kind else { return #expect(Bool(false)) }
        #expect(info.exe.string == "\"\\/\u{8}\u{c}\n\r\té😀\u{fffd}x" && info.vm.string == "é")
        #expect(found[0].actor.comm.string == "a")
    }

    @Test func longTextIsCutBetweenCharacters() throws {
        let found = try events(#"{"type":"process","action":"exit","t":7,"pid":1,"comm":"aaaaaaaaaaaaaaaé"}"#)
        #expect(found[0].actor.comm.string == "aaaaaaaaaaaaaaa")
    }

    @Test func whatIsMadeAnewIsLeftOut() throws {
        #expect(try events(#"{"type":"finding","t":1,"anything":[]}"#).isEmpty)
        #expect(
            try events(#"{"type":"container","action":"open","t":1,"container":"c4","provenance":"inferred"}"#).isEmpty)
        #expect(try events("").isEmpty && events("   ").isEmpty)
    }

    @Test func containersKeepTheirKeys() throws {
        func line(_ fields: String) -> String { "{\"type\":\"container\",\"t\":1,\(fields)}" }
        let (events, _) = try read(
            [
                header, line(#""action":"open","container":"c1""#),
                line(#""action":"set-iommu","container":"c1","iommu_type":3"#),
                line(#""action":"set-iommu","container":"c1","iommu_type":3"#),
                line(#""action":"open","container":"c2","replaces":"c1""#),
                line(#""action":"release","container":"c1""#), summary,
            ].joined(separator: "\n"))
        guard events.count == 5, case .containerOpen(let first) = events[0].kind,
            case .iommuOpen(let side, 3, let owner?) = events[1].kind,
            case .iommuOpen(let later, 3, _) = events[2].kind, case .containerOpen(let second) = events[3].kind,
            case .iommuRelease(let released) = events[4].kind
        else { return #expect(Bool(false), "\(events)") }
        #expect(first == ContainerKey(1) && side == IOMMUKey(1) && owner == first)
        #expect(later != side && released == later)
        #expect(second == first)
    }
}

/// Tests which defects are reported for broken timelines.
@Suite struct TimelineDefectTests {
    @Test(arguments: [
        (#"{"type":"map","t":1"#, "line 2: expected ',' or '}' at column 20"),
        (#"{"type":12,"t":1}"#, "line 2: expected a value that this version knows at column 9"),
        (
            #"{"type":"map","t":1,"iova":"8000","size":1}"#,
            "line 2: expected a hex string such as \"0x80000000\" at column 29"
        ),
        (#"{"type":"map","t":1,"iova":"0x8g","size":1}"#, "line 2: expected a hex digit at column 32"),
        (
            #"{"type":"map","t":1,"iova":"0x1","size":18446744073709551616}"#,
            "line 2: expected an integer from 0 to 2^64-1 at column 41"
        ),
        (#"{"type":"map","t":1,"iova":"0x1","size":-1}"#, "line 2: expected an integer from 0 to 2^64-1 at column 41"),
        (#"{"type":"map","t":1,"iova":"0x1"}"#, "line 2: expected a map with iova and size at column 1"),
        (#"{"type":"map","t":1,"iova":"0x1","size":1,"ram":2}"#, "line 2: expected ram of at most size at column 1"),
        (
            #"{"type":"group","action":"open","t":1,"group":01}"#,
            "line 2: expected a number without zeros in front at column 47"
        ),
        (
            #"{"type":"group","action":"open","t":1,"group":4294967296}"#,
            "line 2: expected an integer from 0 to 2^32-1 at column 47"
        ),
        (
            #"{"type":"group","action":"fly","t":1,"group":1}"#,
            "line 2: expected a value that this version knows at column 27"
        ),
        (#"{"type":"group","action":"map","t":1,"group":1}"#, "line 2: expected a group's action at column 1"),
        (
            #"{"type":"memory","action":"enable","t":1,"device":"02:00.0"}"#,
            "line 2: expected a PCI address such as \"0000:02:00.0\" at column 52"
        ),
        (
            #"{"type":"container","action":"open","t":1,"container":"x1"}"#,
            "line 2: expected a container such as \"c1\" at column 56"
        ),
        (#"{"type":"header","t":1}"#, "line 2: a second header at column 1"),
        (#"{"type":"map","t":1}}"#, "line 2: expected the end of the line at column 21"),
        ("{\"type\":\"map\"\u{0}}", "line 2: expected ',' or '}' at column 14"),
        ("{\"type\":\"m\u{0}p\"}", "line 2: expected no control character within a string at column 11"),
        ("[1,2]", "line 2: expected an object at column 1"),
        ("garbage", "line 2: expected an object at column 1"),
        (#"{"type":"map","x":tru}"#, "line 2: expected a value at column 19"),
        (#"{"type":"map","x":"\q"}"#, "line 2: expected an escape of JSON at column 21"),
        (#"{"type":"map","x":"\u12"}"#, "line 2: expected four hex digits at column 24"),
        (#"{"type":"map","x":1.}"#, "line 2: expected a digit at column 21"),
        (#"{"type":"map","x":-}"#, "line 2: expected a digit at column 20"),
        (#"{"type":"map","x":[1,]}"#, "line 2: expected a value at column 22"),
        (#"{"type":"map","x":{"a" 1}}"#, "line 2: expected ':' at column 24"),
        (#"{"type":"map","x":"#, "line 2: expected a value at column 19"),
        (#"{"type":"map","x":"abc"#, "line 2: expected the end of a string at column 23"),
    ])
    func brokenLines(line: String, expected: String) throws { #expect(try defect(line) == expected) }

    @Test func deepNesting() throws {
        let deep = String(repeating: "[", count: 100_000)
        #expect(try defect(#"{"type":"map","x":"# + deep) == "line 2: nested deeper than 64 levels at column 83")
        let sound = String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
        #expect(try events(#"{"type":"process","action":"exit","t":1,"x":"# + sound + "}").count == 1)
    }

    @Test func hugeNumbers() throws {
        let digits = String(repeating: "9", count: 5000)
        #expect(try events(#"{"type":"process","action":"exit","t":1,"x":"# + digits + "}").count == 1)
        #expect(
            try defect(#"{"type":"process","action":"exit","t":"# + digits + "}")
                == "line 2: expected an integer from 0 to 2^64-1 at column 39")
    }

    @Test func invalidUTF8IsKept() throws {
        let bytes =
            Array((header + "\n").utf8) + Array(#"{"type":"process","action":"exit","t":1,"pid":1,"comm":""#.utf8) + [
                0xff, 0xc3,
            ] + Array("\"}\n\(summary)\n".utf8)
        let (events, reader) = try read(bytes)
        #expect(reader.evidence.defects.isEmpty && events.count == 1 && events[0].actor.comm.count == 2)
    }

    @Test func theRestIsRead() throws {
        let (events, reader) = try read(
            "\(header)\nbroken\n{\"type\":\"process\",\"action\":\"exit\",\"t\":1}\n\(summary)\n")
        #expect(events.count == 1 && reader.linesRead == 4 && reader.evidence.lost == 1)
        #expect(reader.evidence.defects == ["line 2: expected an object at column 1"])
    }

    @Test func defectsAreNotWithoutEnd() throws {
        let (_, reader) = try read(header + "\n" + String(repeating: "x\n", count: 1000) + summary)
        #expect(reader.brokenLines == 1000 && reader.evidence.defects.count == 101)
        #expect(reader.evidence.defects.last == "900 further lines are broken")
    }

    @Test func cutShort() throws {
        #expect(try read(header).reader.evidence.defects == ["the timeline ends without a summary: it was cut short"])
        #expect(try read(header + "\n" + summary.dropLast(3)).reader.evidence.defects.count == 2)
        let (_, reader) = try read(header + "\n" + summary + "\n" + summary)
        #expect(reader.evidence.defects == ["line 3: a line after the summary at column 1"])
    }

    @Test func defectsOfTheSummaryComeFirst() throws {
        let told = summary.dropLast() + #","defects":["a \"b\"","c"]}"#
        #expect(
            try read("\(header)\nx\n\(told)\n").reader.evidence.defects == [
                "a \"b\"", "c", "line 2: expected an object at column 1",
            ])
    }

    // MARK: No timeline at all

    @Test func empty() {
        #expect(throws: TimelineError.empty) { try read("") }
        #expect(throws: TimelineError.empty) { try read("\n \n") }
    }

    @Test func newerSchema() {
        let newer = header.split(separator: "timeline/1").joined(separator: "timeline/2")
        #expect(throws: TimelineError.newerSchema("vfioscope.timeline/2")) { try read(newer + "\n" + summary) }
        #expect(
            TimelineError.newerSchema("vfioscope.timeline/2").description
                == "the timeline has schema vfioscope.timeline/2, and this vfioscope reads vfioscope.timeline/1: use a "
                + "newer vfioscope"
        )
        let minor = header.split(separator: "timeline/1").joined(separator: "timeline/1.4")
        #expect(throws: Never.self) { try read(minor + "\n" + summary) }
    }

    @Test(arguments: [
        summary, "{}", "VFIO", "{\"type\":\"header\"", #"{"type":"header","t":1,"schema":"other/1"}"#,
        #"{"type":"header","t":1}"#, "\u{0}\u{0}\u{0}",
    ])
    func notATimeline(text: String) {
        #expect { try read(text) } throws: { error in
            guard case .notATimeline(let why)? = error as? TimelineError else { return false }
            return why.contains("line 1: expected ")
        }
    }

    @Test func looksLikeTimeline() {
        #expect(Array(" \n{".utf8).withUnsafeBytes { TimelineReader.looksLikeTimeline($0) })
        #expect(!Array("VFIO".utf8).withUnsafeBytes { TimelineReader.looksLikeTimeline($0) })
        #expect(!TimelineReader.looksLikeTimeline(UnsafeRawBufferPointer(start: nil, count: 0)))
    }
}
