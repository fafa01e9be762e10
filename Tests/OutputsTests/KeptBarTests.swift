import Events
import MappingGraph
import Testing
@testable import Outputs

/// What a process keeps of a BAR, as each output writes it.
@Suite struct KeptBarTests {
    private func history(isLetGo: Bool) -> History {
        var history = History()
        history.session.hooks = []
        history.devices = [device(gpu, group: 30, bar0: 0x38_0000_0000, size: 1 << 28)]
        let kept = KeptBar(device: gpu, address: 0x38_0010_0000, size: 1 << 19, isKept: true)
        history.events = [
            Event(time: 2_000_000_000, actor: vmA, kind: .keptBar(kept)),
            Event(
                time: 2_000_000_001, actor: vmA,
                kind: .keptBar(KeptBar(device: gpu, address: 0x38_1000_0000, size: 4096, isKept: true))),
        ]
        if isLetGo {
            var over = kept
            over.isKept = false
            history.events.append(Event(time: 3_000_000_000, actor: vmA, kind: .keptBar(over)))
        }
        history.evidence.ended = 4_000_000_000
        return history
    }

    @Test func timeline() throws {
        let history = history(isLetGo: true)
        let found = lines(history.timeline())
        #expect(found.count == 7)
        #expect(
            found[1].hasPrefix(#"{"type":"device","action":"kept-bar","t":2000000000,"#)
                && found[1].hasSuffix(#","bar":0,"bar_offset":1048576,"size":524288}"#))
        // In no BAR that is known.
        #expect(found[2].hasSuffix(#""device":"\#(gpu)","size":4096}"#))
        #expect(found[4].hasPrefix(#"{"type":"device","action":"let-go","t":3000000000,"#))
        #expect(
            found[3].contains(#""rule":"child-keeps-bar","severity":"medium","state":"open","t":2500000000,"#)
                && found[5].contains(#""state":"resolved""#))
        #expect(
            found[3].contains(#","size":524288,"device":"\#(gpu)","bar":0,"bar_offset":1048576,"reachable":true,"#)
                && !found[3].contains("iova"))
        #expect(try History(timeline: history.timeline()).timeline() == history.timeline())
    }

    @Test func text() {
        let found = lines(history(isLetGo: true).run(TextLines(options: OutputOptions())))
        #expect(found.contains { $0.contains("BAR kept") && $0.hasSuffix("\(gpu) BAR0+0x100000  512 KiB") })
        #expect(found.contains { $0.contains("BAR let go") })
    }

    @Test func graph() {
        func json(_ history: History) -> String {
            let ending = history.final()
            return OutputsTests.text(
                ByteWriter.gather {
                    FormatRegistry.graph("json")!.write(
                        ending.graph, findings: ending.findings, at: 4_000_000_000, session: history.session, into: &$0)
                })
        }
        #expect(
            json(history(isLetGo: false)).contains(
                #""kept_bars":[{"bar":0,"bar_offset":1048576,"size":524288,"pid":\#(vmA.process.pid),"#))
        #expect(!json(history(isLetGo: true)).contains("kept_bars"))
    }
}
