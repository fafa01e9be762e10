// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// The content of the pictures: processes, their containers, the devices that those can reach, and
/// the open findings about them. In a fixed order.
struct Picture {
    struct Owner {
        var actor: Actor
        var name: String
        /// By position in `containers`.
        var containers: [Int]
    }

    struct ContainerBox {
        var container: Container
        /// By position in `owners`; nil for one without a known process.
        var owner: Int?
        /// Bytes that are not device memory.
        var ramBytes: UInt64
        var mappings: Int
        /// Open findings about the container itself or its calls, the most severe first.
        var findings: [Finding] = []
    }

    struct DeviceBox {
        /// nil for device memory whose owner is not known.
        var device: Device?
        /// The present user's name and pid, while it is open.
        var user: (name: String, pid: UInt32)?
        /// By position in `containers`, where the device's group is in one.
        var container: Int?
        /// BARs that there are, ascending; 6 is the expansion ROM.
        var bars: [(bar: UInt8, size: UInt64)]
        var isReachable: Bool { device?.isReachable ?? true }
    }

    /// The mappings of one BAR in one container.
    struct Edge {
        var container: Int
        var device: Int
        var bar: UInt8
        /// The lowest IOVA; `size` bytes for one range, the sum for several.
        var iova: UInt64
        var size: UInt64
        var ranges: Int
        /// Open findings about it, the most severe first.
        var findings: [Finding]
    }

    var owners: [Owner] = []
    var containers: [ContainerBox] = []
    var devices: [DeviceBox] = []
    var edges: [Edge] = []
    /// The most severe first.
    var findings: [Finding]

    /// O(containers + peer mappings + devices), and a sort of each.
    init(_ graph: borrowing Graph, findings: [Finding]) {
        self.findings = findings.sorted { ($1.severity, $0.id) < ($0.severity, $1.id) }
        let peers = graph.peerMappings
        addContainers(graph, peers)
        addDevices(graph, peers)
        addEdges(peers)
    }

    private mutating func addContainers(_ graph: borrowing Graph, _ peers: [PeerMapping]) {
        var deviceBytes: [ContainerID: UInt64] = [:]
        for peer in peers { deviceBytes[peer.container, default: 0] &+= peer.targets.reduce(0) { $0 &+ $1.size } }
        var positions: [ProcessKey: Int] = [:]
        for container in graph.containers {
            let bytes = graph.mappedBytes(in: container.id)
            var box = ContainerBox(
                container: container, owner: nil, ramBytes: bytes - min(bytes, deviceBytes[container.id] ?? 0),
                mappings: graph.mappingCount(in: container.id))
            var creator: Mapping? {
                var mappings = graph.mappings(in: container.id).makeIterator(); return mappings.next()
            }
            if let actor = container.opener ?? creator.map({ graph.actor(at: $0.owner) }), actor != Actor() {
                let position = positions[actor.process] ?? owners.count
                if position == owners.count {
                    positions[actor.process] = position
                    owners.append(Owner(actor: actor, name: graph.displayName(for: actor), containers: []))
                }
                owners[position].containers.append(containers.count)
                box.owner = position
            }
            containers.append(box)
        }
    }

    /// Devices that are open, in a container, or mapped; others have no part in this.
    private mutating func addDevices(_ graph: borrowing Graph, _ peers: [PeerMapping]) {
        let targeted = Set(peers.flatMap { $0.targets.map(\.device) })
        for device in graph.devices.values.sorted(by: { $0.address < $1.address }) {
            let id = graph.containerID(of: device.address)
            let position = id.flatMap { id in containers.firstIndex { $0.container.id == id } }
            guard device.isOpen || position != nil || targeted.contains(device.address) else { continue }
            var bars: [(UInt8, UInt64)] = []
            for index in 0..<7 where device.info.bars[index].size > 0 {
                bars.append((UInt8(index), device.info.bars[index].size))
            }
            let user = device.isOpen ? device.opener.map { (graph.displayName(for: $0), $0.process.pid) } : nil
            devices.append(DeviceBox(device: device, user: user, container: position, bars: bars))
        }
        if targeted.contains(nil) { devices.append(DeviceBox(device: nil, user: nil, container: nil, bars: [])) }
    }

    private mutating func addEdges(_ peers: [PeerMapping]) {
        struct Key: Hashable {
            var container: ContainerID
            var device: PCIAddress?
            var bar: UInt8
        }
        for index in containers.indices {
            containers[index].findings = findings.filter {
                !$0.isOfMapping && $0.container == containers[index].container.id
            }
        }
        let containerAt = Dictionary(uniqueKeysWithValues: containers.enumerated().map { ($1.container.id, $0) })
        let deviceAt = Dictionary(uniqueKeysWithValues: devices.enumerated().map { ($1.device?.address, $0) })
        var positions: [Key: Int] = [:]
        for peer in peers {
            for target in peer.targets {
                guard let container = containerAt[peer.container], let device = deviceAt[target.device] else {
                    continue
                }
                let key = Key(container: peer.container, device: target.device, bar: target.bar)
                if let index = positions[key] {
                    edges[index].iova = min(edges[index].iova, target.iova)
                    edges[index].size &+= target.size
                    edges[index].ranges += 1
                } else {
                    positions[key] = edges.count
                    edges.append(
                        Edge(
                            container: container, device: device, bar: target.bar, iova: target.iova, size: target.size,
                            ranges: 1, findings: []))
                }
            }
        }
        for finding in findings where finding.isOfMapping {
            guard let container = finding.container, let bar = finding.bar else { continue }
            if let index = positions[Key(container: container, device: finding.device, bar: bar)] {
                edges[index].findings.append(finding)
            }
        }
        edges.sort { ($0.container, $0.device, $0.bar) < ($1.container, $1.device, $1.bar) }
    }
}

extension Picture {
    /// `Linux 6.12.48, vfioscope 0.1.0`.
    static func origin(_ session: Session) -> String {
        let kernel = session.kernel.isEmpty ? "" : "Linux \(session.kernel), "
        return kernel + "vfioscope \(session.toolVersion)"
    }

    static func count(_ number: Int, _ one: String, _ many: String) -> String {
        "\(number) \(number == 1 ? one : many)"
    }

    /// `2 containers, 3 mappings of device memory, 1 open finding`.
    var summary: String {
        let mapped = edges.reduce(0) { $0 + $1.ranges }
        return Self.count(containers.count, "container", "containers") + ", "
            + Self.count(mapped, "mapping of device memory", "mappings of device memory") + ", "
            + (findings.isEmpty ? "no open finding" : Self.count(findings.count, "open finding", "open findings"))
    }

    /// `0x80000000-0x800fffff`, or `3 ranges from 0x80000000`.
    static func place(_ edge: Edge) -> String {
        let text: OutputText =
            edge.ranges == 1
            ? "\(iova: edge.iova, size: edge.size)" : "\(edge.ranges) ranges from \(hex: edge.iova)"
        return text.string
    }

    static func barName(_ bar: UInt8) -> String { bar == 6 ? "ROM" : "BAR \(bar)" }

    /// `group 30, vfio-pci, open by web-1 (pid 4242)`: what is known of a device's state, shortest
    /// first.
    static func state(_ box: DeviceBox) -> [String] {
        guard let device = box.device else { return [] }
        var parts: [String] = []
        if let group = device.group { parts.append("group \(group)") }
        if !device.info.driver.isEmpty {
            parts.append(device.info.driver.string)
        } else if device.isDriverKnown {
            parts.append("no driver")
        }
        if device.isRemoved {
            parts.append("removed")
        } else if let user = box.user {
            parts.append("open by \(user.name) (pid \(user.pid))")
        } else {
            parts.append(device.isOpen ? "open" : "closed")
        }
        return parts
    }

    /// Why a device does not answer, nil if it does.
    static func silence(_ device: Device) -> String? {
        if device.isReachable { return nil }
        if device.isRemoved { return "gone from the bus" }
        if device.resetDepth > 0 { return "in reset" }
        if !device.memoryEnabled { return "memory decode off" }
        return device.power == .d3cold ? "in D3cold" : "in D3hot"
    }
}
