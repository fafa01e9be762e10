// SPDX-License-Identifier: Apache-2.0
/// Where the boxes of a picture go: three columns, from the left processes, containers, devices.
/// Pixels.
struct SVGLayout {
    struct Box: Equatable {
        var x: Int
        var y: Int
        var width: Int
        var height: Int
        var middle: Int { y + height / 2 }
    }

    static let margin = 28
    static let top = 96
    static let gap = 26
    static let ownerWidth = 204
    static let containerWidth = 330
    static let deviceWidth = 344
    static let ownerX = margin
    static let containerX = ownerX + ownerWidth + 70
    static let deviceX = containerX + containerWidth + 180
    static let width = deviceX + deviceWidth + margin
    /// Height of a box's head, and of one row under it: an edge's, a BAR's.
    static let head = 62
    static let row = 24
    static let findingRow = 42

    var owners: [Box] = []
    var containers: [Box] = []
    var devices: [Box] = []
    /// The middle of an edge's row in its container's box, by edge.
    var edgeStarts: [Int] = []
    /// The middle of an edge's BAR in its device's box, by edge.
    var edgeEnds: [Int] = []
    /// The lowest pixel of any box.
    var bottom = top

    /// Containers in their order from the top; every other box as near to what it belongs to as the
    /// boxes above it allow.
    init(_ picture: Picture) {
        edgeStarts = Array(repeating: 0, count: picture.edges.count)
        edgeEnds = edgeStarts
        var y = Self.top
        for index in picture.containers.indices {
            let start = y
            y += Self.head + (picture.containers[index].findings.isEmpty ? 0 : Self.row)
            for edge in picture.edges.indices where picture.edges[edge].container == index {
                let height = picture.edges[edge].findings.isEmpty ? Self.row : Self.findingRow
                edgeStarts[edge] = y + Self.row / 2
                y += height
            }
            containers.append(Box(x: Self.containerX, y: start, width: Self.containerWidth, height: y - start))
            y += Self.gap
        }
        owners = Self.place(
            picture.owners.indices.map { index in
                let boxes = picture.owners[index].containers.map { containers[$0] }
                return (wanted: (boxes.first!.y + boxes.last!.y) / 2, height: Self.head)
            }, x: Self.ownerX, width: Self.ownerWidth)
        devices = Self.place(
            picture.devices.indices.map { index in
                let device = picture.devices[index]
                var links = picture.edges.indices.filter { picture.edges[$0].device == index }.map {
                    edgeStarts[$0] - Self.row
                }
                if let container = device.container { links.append(containers[container].y) }
                return (
                    wanted: links.isEmpty ? Self.top : links.reduce(0, +) / links.count - Self.head / 2,
                    height: Self.head + device.bars.count * Self.row
                )
            }, x: Self.deviceX, width: Self.deviceWidth)
        for (index, edge) in picture.edges.enumerated() {
            let box = devices[edge.device]
            let bar = picture.devices[edge.device].bars.firstIndex { $0.bar == edge.bar }
            edgeEnds[index] = bar.map { box.y + Self.head + $0 * Self.row + Self.row / 2 } ?? box.y + Self.head / 2
        }
        bottom = (owners + containers + devices).map { $0.y + $0.height }.max() ?? Self.top
    }

    /// Stacks boxes by the height that each wants, in order of that and of their position.
    private static func place(_ boxes: [(wanted: Int, height: Int)], x: Int, width: Int) -> [Box] {
        var placed = Array(repeating: Box(x: x, y: 0, width: width, height: 0), count: boxes.count)
        var free = top
        for index in boxes.indices.sorted(by: { (boxes[$0].wanted, $0) < (boxes[$1].wanted, $1) }) {
            placed[index].y = max(free, boxes[index].wanted)
            placed[index].height = boxes[index].height
            free = placed[index].y + boxes[index].height + gap
        }
        return placed
    }
}
