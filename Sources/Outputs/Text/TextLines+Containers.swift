// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Lines about containers and groups.
extension TextLines {
    func writeContainer(_ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter)
    {
        let id = applied.container
        switch event.kind {
        case .containerOpen: write("container open", id, event, graph, &out)
        case .containerClose: write("container shut", id, event, graph, &out)
        case .iommuOpen: writeIOMMU(event, applied, graph, &out)
        case .iommuRelease: write("release", id, event, graph, &out)
        case .iommuAttach(_, let group, let result):
            writeIOMMU(event, applied, graph, &out)
            guard result != 0 else { return }
            begin("attach FAILED", event, graph, &out, .warning)
            column(id, &out)
            out.append("group \(group)  ")
            error(result, &out)
            end(&out)
        case .groupOpen(let group): line("group open", event, graph, &out, "group \(group)")
        case .groupClose(let group): line("group close", event, graph, &out, "group \(group)")
        case .groupAttach(let group, _):
            write("attach", id, event, graph, &out, "group \(group)")
            writeIOMMU(event, applied, graph, &out)
        case .groupDetach(let group, _): write("detach", id, event, graph, &out, "group \(group)")
        default: return
        }
    }

    private func writeIOMMU(
        _ event: Event, _ applied: borrowing Applied, _ graph: borrowing Graph, _ out: inout ByteWriter
    ) {
        guard applied.linked else { return }
        let type: OutputText =
            switch applied.container.flatMap({ graph.container($0)?.iommuType }) {
            case 1: "type1"
            case 3: "type1v2"
            default: ""
            }
        write("set iommu", applied.container, event, graph, &out, type)
    }

    private func write(
        _ verb: StaticString, _ id: ContainerID?, _ event: Event, _ graph: borrowing Graph, _ out: inout ByteWriter,
        _ rest: OutputText = ""
    ) {
        begin(verb, event, graph, &out)
        column(id, &out)
        out.append(rest)
        end(&out)
    }
}
