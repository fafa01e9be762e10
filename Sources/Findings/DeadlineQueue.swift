/// Conditions waiting for their debounce to pass, in the order of their deadlines.
///
/// The debounce is one constant and time does not go back, so deadlines come in ascending: a queue, not a heap. A condition that ended is
/// left in it, to be passed over by its number.
struct DeadlineQueue: Sendable {
    struct Item: Sendable {
        var deadline: UInt64
        /// Unique: a condition that ended and began again has another.
        var sequence: UInt64
        var peer: UInt32
        var target: Int
        var rule: Int
    }

    private var items: [Item] = []
    private var head = 0

    /// The earliest, or the greatest number when there is none. O(1).
    private(set) var next = UInt64.max

    mutating func append(_ item: Item) {
        if head == items.count { next = item.deadline }
        items.append(item)
    }

    /// Takes the first if it is due. O(1) on average.
    mutating func pop(upTo time: UInt64) -> Item? {
        guard next <= time, head < items.count else { return nil }
        let item = items[head]
        head += 1
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 1024, head * 2 >= items.count {
            items.removeSubrange(0..<head)
            head = 0
        }
        next = head < items.count ? items[head].deadline : .max
        return item
    }
}
