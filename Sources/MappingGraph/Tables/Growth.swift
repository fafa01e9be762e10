// SPDX-License-Identifier: Apache-2.0
/// Measures how fast a quantity grows, by samples of its value over the last seconds. Only event
/// time counts, so a replay yields the same rate.
struct Growth: Sendable {
    /// The least time between two samples, nanoseconds.
    private static let step: UInt64 = 500_000_000
    /// Older samples do not count for the present rate, nanoseconds.
    static let window: UInt64 = 4_000_000_000
    /// The shortest time over which a rate is measured, nanoseconds.
    private static let leastSpan: UInt64 = 100_000_000

    private var samples: InlineArray<8, (time: UInt64, net: Int64)> = InlineArray(repeating: (0, 0))
    private var count = 0
    private var nextSample: UInt64 = 0
    /// The sum of all changes.
    private var net: Int64 = 0

    /// O(1): a comparison, an addition, and a sample every half second.
    @inline(__always)
    mutating func add(_ change: Int64, at time: UInt64) {
        if time >= nextSample { sample(time) }
        net &+= change
    }

    @inline(never)
    private mutating func sample(_ time: UInt64) {
        samples[count & 7] = (time, net)
        count += 1
        nextSample = time &+ Self.step
    }

    /// How long growth by `rest` takes at the rate of the last seconds before `now`, nanoseconds.
    /// nil if the quantity does not grow, or has been measured for less than a tenth of a second.
    /// O(1).
    func nanoseconds(toGrowBy rest: UInt64, at now: UInt64) -> UInt64? {
        var oldest: (time: UInt64, net: Int64)?
        for index in 0..<min(count, 8) where samples[index].time <= now && now - samples[index].time <= Self.window {
            if oldest.map({ samples[index].time < $0.time }) ?? true { oldest = samples[index] }
        }
        guard let oldest, now - oldest.time >= Self.leastSpan, net > oldest.net else { return nil }
        let (high, low) = rest.multipliedFullWidth(by: now - oldest.time)
        let grown = UInt64(bitPattern: net &- oldest.net)
        return high >= grown ? .max : grown.dividingFullWidth((high, low)).quotient
    }
}
