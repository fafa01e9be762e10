// SPDX-License-Identifier: Apache-2.0
/// How the mappings of a history are placed and replaced.
enum Shape: String, CaseIterable {
    /// One container, each mapping above the last: a VM that starts.
    case ascending
    /// One container with a constant number of live mappings. Each step replaces one of them by
    /// another at a random place: DMA through a vIOMMU.
    case churn
    /// One container, mapped in random order and never unmapped.
    case scattered
    /// Four VMs that churn. One mapping in 64 leads to another VM's device memory, and lives
    /// longer.
    case mixed
}

/// A history of `events` events or a few more. Equal arguments make equal histories.
struct History {
    let shape: Shape
    let events: UInt64
    /// How many mappings of a container are live at a time, for churn and mixed.
    let live: Int

    /// Bytes from one mapping to the next: two pages, so that mappings of one page do not adjoin.
    private static let stride: UInt64 = 8192
    private static let size: UInt64 = 4096

    func make(_ sink: @escaping RecordMaker.Sink) -> RecordMaker {
        var maker = RecordMaker(sink)
        let machines = (0..<(shape == .mixed ? 4 : 1)).map { Machine(number: UInt64($0)) }
        for machine in machines { maker.begin(machine) }
        switch shape {
        case .ascending:
            var index: UInt64 = 0
            while maker.count < events {
                maker.map(machines[0], iova: 1 << 32 + index * Self.stride, size: Self.size, dma: dma(index))
                index += 1
            }
        case .scattered:
            let count = events - min(events, maker.count)
            // The factor is prime, so it is coprime with any count that is not its multiple: every
            // place comes once, in no apparent order.
            for index in 0..<count {
                maker.map(
                    machines[0], iova: 1 << 32 + (index &* 2_654_435_761 % count) * Self.stride, size: Self.size,
                    dma: dma(index))
            }
        case .churn, .mixed: churn(machines, &maker)
        }
        return maker
    }

    private func churn(_ machines: [Machine], _ maker: inout RecordMaker) {
        var random = Random(seed: 11)
        // A container has twice as many places as live mappings; each is either held or free.
        var held = machines.map { _ in [(iova: UInt64, dma: UInt64)]() }
        var free = machines.map { _ in (0..<2 * live).map { 1 << 32 + UInt64($0) * Self.stride } }
        var turn = 0
        while maker.count < events {
            let machine = machines.count == 1 ? 0 : (turn >> 6) % machines.count
            turn += 1
            if held[machine].count == live {
                let victim = random.below(live)
                let gone = held[machine][victim]
                maker.unmap(machines[machine], iova: gone.iova, size: Self.size, dma: gone.dma)
                held[machine][victim] = held[machine][live - 1]
                held[machine].removeLast()
                free[machine].append(gone.iova)
            }
            let place = random.below(free[machine].count)
            let iova = free[machine][place]
            free[machine][place] = free[machine][free[machine].count - 1]
            free[machine].removeLast()
            let key = dma(UInt64(random.below(4 * live)))
            let isPeer = shape == .mixed && random.next() & 63 == 0
            maker.map(
                machines[machine], iova: iova, size: Self.size, dma: key,
                deviceAddress: isPeer
                    ? machines[(machine + 1) % machines.count].barAddress + UInt64(random.below(1 << 15)) << 12 : nil)
            held[machine].append((iova, key))
        }
    }

    /// The address of a mapping's kernel struct: structs of 128 bytes, in slabs.
    private func dma(_ index: UInt64) -> UInt64 { 0xffff_8890_0000_0000 + index << 7 }
}
