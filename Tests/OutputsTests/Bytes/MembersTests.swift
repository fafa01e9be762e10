// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph
import Testing
@testable import Outputs

/// Members of JSON objects.
@Suite struct MembersTests {
    private func object(_ body: (inout ByteWriter) -> Void) -> String { text(ByteWriter.gather { $0.object(body) }) }

    @Test func values() {
        let found = object { out in
            out.member("a", 1 as UInt64)
            out.member("b", -1 as Int64)
            out.member("c", true)
            out.member("d", "\"\n")
            out.member("e", nic)
            out.member("f", ContainerID(2))
            out.member("g", TimelineWord.dmaBufExport)
            out.member("h", Comm("qemu"))
            out.member("i", FindingName(9))
        }
        let numbers = #""a":1,"b":-1,"c":true"#
        let names = #""d":"\"\n","e":"\#(nic)","f":"c2","g":"dma-buf-export","h":"qemu","i":"f9""#
        #expect(found == "{\(numbers),\(names)}")
    }

    @Test func whatIsNotKnown() {
        #expect(object { $0.member(.group, nil as UInt32?) } == "{}")
        #expect(object { $0.member(.group, orNull: nil as UInt32?) } == #"{"group":null}"#)
        #expect(object { $0.member(.iova, hex: nil) } == "{}")
    }

    @Test func hex() {
        #expect(object { $0.member(.iova, hex: 0) } == #"{"iova":"0x0"}"#)
        #expect(object { $0.member(.iova, hex: .max) } == #"{"iova":"0xffffffffffffffff"}"#)
        #expect(object { $0.member(.vendor, hex: 0x86, digits: 4) } == #"{"vendor":"0x0086"}"#)
        #expect(object { $0.member(.classCode, hex: 0x1020000, digits: 6) } == #"{"class":"0x1020000"}"#)
    }

    @Test func nested() {
        let found = object { out in
            out.list(.hooks, [1, 2]) { number, out in out.object { $0.member(.name, number) } }
            out.object(.events) { _ in }
            out.list(.defects, [] as [Int]) { _, _ in }
        }
        #expect(found == #"{"hooks":[{"name":1},{"name":2}],"events":{},"defects":[]}"#)
    }
}
