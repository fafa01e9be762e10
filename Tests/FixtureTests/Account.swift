// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Who can DMA where, without names. The graph, the naive model and the workload's own records are
/// compared in this form.
struct Account: Equatable {
    struct Place: Hashable {
        var device: String
        var bar: UInt8
        var offset: UInt64
        var iova: UInt64
        var size: UInt64
    }

    struct Row: Hashable {
        var iova: UInt64
        var size: UInt64
        var isReadable: Bool
        var isWritable: Bool
        var pid: UInt32
        var places: [Place]
    }

    struct Holder: Hashable {
        var groups: Set<UInt32>
        var rows: Set<Row>
    }

    /// The number of containers of each kind: two empty ones are alike.
    var holders: [Holder: Int] = [:]
    var open: Set<String> = []

    mutating func add(_ groups: Set<UInt32>, _ rows: some Sequence<Row>) {
        holders[Holder(groups: groups, rows: Set(rows)), default: 0] += 1
    }

    var mappingCount: Int { holders.reduce(0) { $0 + $1.key.rows.count * $1.value } }

    /// Describes in a few words what only one of the two contains.
    func difference(from other: Account) -> String {
        let rows = Set(holders.keys.flatMap(\.rows)), others = Set(other.holders.keys.flatMap(\.rows))
        return "only here \(Array(rows.subtracting(others).prefix(2))) \(open.subtracting(other.open)), "
            + "only there \(Array(others.subtracting(rows).prefix(2))) \(other.open.subtracting(open)); "
            + "groups \(holders.keys.map { $0.groups.sorted() }) and \(other.holders.keys.map { $0.groups.sorted() })"
    }
}

extension [Account.Place] {
    /// Adds a place. It is joined to the last one if it begins where that ends.
    mutating func extend(_ place: Account.Place) {
        if let last, last.device == place.device, last.bar == place.bar, last.offset + last.size == place.offset,
            last.iova + last.size == place.iova
        {
            self[count - 1].size += place.size
        } else {
            append(place)
        }
    }
}

extension Account {
    init(_ graph: borrowing Graph) {
        for container in graph.containers {
            add(
                container.groups,
                graph.mappings(in: container.id).map { mapping in
                    var places: [Place] = []
                    for target in mapping.peer.flatMap({ graph.peer($0) })?.targets ?? [] {
                        places.extend(
                            Place(
                                device: target.device?.description ?? "", bar: target.bar, offset: target.barOffset,
                                iova: target.iova, size: target.size))
                    }
                    return Row(
                        iova: mapping.iova, size: mapping.size, isReadable: mapping.readable,
                        isWritable: mapping.writable,
                        pid: graph.actor(at: mapping.owner).process.pid, places: places)
                })
        }
        open = Set(graph.devices.values.filter(\.isOpen).map(\.address.description))
    }

    /// A line of the lab's oracle at a quiet point.
    init(quiet: JSONValue) {
        for container in quiet["containers"].array {
            add(
                Set(container["groups"].array.map { UInt32($0.number) }),
                container["mappings"].array.map { mapping in
                    var places: [Place] = []
                    for target in mapping["targets"].array {
                        places.extend(
                            Place(
                                device: target["device"].string, bar: UInt8(target["bar"].number),
                                offset: target["bar_offset"].number,
                                iova: target["iova"].address, size: target["size"].number))
                    }
                    return Row(
                        iova: mapping["iova"].address, size: mapping["size"].number, isReadable: mapping["read"].isTrue,
                        isWritable: mapping["write"].isTrue, pid: UInt32(mapping["pid"].number), places: places)
                })
        }
        open = Set(quiet["devices_open"].array.map(\.string))
    }
}
